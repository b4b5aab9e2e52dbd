/** A process that races others for objects of one directory: `node rival.mjs DIRECTORY NAME`; it says what it won. */
import { createHash } from 'node:crypto';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';

/** What a rival did to the contended objects. */
export interface RivalReport {
  /** Steps from one version of `contended` to the next; null: from nothing. */
  readonly steps: readonly (readonly [from: string | null, to: string])[];
  /** How often it added one to `counter`. */
  readonly added: number;
  /** Which of the objects `once/N` it made. */
  readonly made: readonly number[];
}

/** Rounds of each rival. */
export const ROUNDS = 60;

/** A text that tells whether it is whole. */
export function sealed(text: string): Buffer {
  return Buffer.from(`${createHash('sha256').update(text).digest('hex')} ${text}`);
}

/** The text that was sealed, and its tag; undefined where nothing is. Throws where it is not whole. */
export async function unsealed(
  store: ObjectStore,
  key: string,
): Promise<{ readonly text: string; readonly etag: string } | undefined> {
  const found = await store.get(key);
  if (found === undefined || found === 'unchanged') return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of found.bytes) pieces.push(Buffer.from(piece));
  const whole = Buffer.concat(pieces).toString();
  const text = whole.slice(65);
  if (!sealed(text).equals(Buffer.from(whole))) throw new Error(`"${key}" is torn: ${whole.slice(0, 80)}`);
  return { text, etag: found.etag };
}

async function addOne(store: ObjectStore): Promise<boolean> {
  const there = await unsealed(store, 'counter');
  if (there === undefined) throw new Error('the counter was there, and is not any more');
  return (
    (await store.put('counter', sealed(String(Number(there.text) + 1)), { ifMatch: there.etag })) !==
    undefined
  );
}

/** One step at the object that is also removed now and then. */
async function contend(store: ObjectStore, name: string, round: number): Promise<RivalReport['steps']> {
  const there = await unsealed(store, 'life/contended');
  if (there !== undefined && round % 4 === 0) {
    await store.remove(['life/contended']);
    return [];
  }
  const from = there?.etag ?? null;
  const to = await store.put('life/contended', sealed(`${name} ${round}`.repeat(500)), { ifMatch: from });
  return to === undefined ? [] : [[from, to]];
}

async function race(store: ObjectStore, name: string): Promise<RivalReport> {
  const steps: [string | null, string][] = [];
  const made: number[] = [];
  let added = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    if ((await store.put(`once/${round}`, sealed(name), { ifMatch: null })) !== undefined) made.push(round);
    if (await addOne(store)) added += 1;
    for (const [from, to] of await contend(store, name, round)) steps.push([from, to]);
  }
  return { steps, added, made };
}

const [root, name] = process.argv.slice(2);
// The functions above are also those of the test.
if (root !== undefined && name?.startsWith('rival-') === true) {
  const store = await openDirectoryObjects(root);
  await new Promise((go) => process.stdin.once('data', go));
  process.stdin.destroy();
  process.stdout.write(JSON.stringify(await race(store, name)));
}
