/**
 * Promise: what a journal claims is on the disk, with the right bytes, whatever a power cut leaves.
 *
 * Looked at whenever a staging journal is synced, whenever claimed bytes are written over, and after every power cut.
 * The journal is read by the code that a restart would read it with.
 */
import { ChunkDigests } from '../../../src/checkpoint/chunk-digests.ts';
import {
  applyRecord,
  decodeBinding,
  type CheckpointState,
} from '../../../src/checkpoint/checkpoint-records.ts';
import { readJournal } from '../../../src/checkpoint/journal-format.ts';
import { ChunkSet } from '../../../src/checkpoint/chunk-set.ts';
import type { HasherFactory } from '../../../src/manifest/digest.ts';
import { createLayout, type Layout } from '../../../src/manifest/layout.ts';
import { createManifest, decodeEntry, decodeHeader, type Manifest } from '../../../src/manifest/manifest.ts';
import type { SessionState } from '../../../src/session/state.ts';
import type { FileNode } from '../disk/inode.ts';
import { PLACE } from '../scenario.ts';
import type { Machine } from '../system/machine.ts';
import type { World } from '../world.ts';

/** Makes hashers of each algorithm; loaded once, before any world. */
export type Hashers = Readonly<Record<'xxh64' | 'sha256', HasherFactory>>;

/** Where a chunk lies in its staging folder. */
interface Place {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

/** One staging folder as it is watched. */
interface Folder {
  /** The plan as it was saved when its layout was computed. */
  readonly plan: string;
  readonly manifest: Manifest;
  readonly layout: Layout;
  /** What the durable journal claims: digests in hexadecimal, by chunk. */
  claims: ReadonlyMap<number, string>;
}

const NOTHING: ReadonlyMap<number, string> = new Map();
const STAGED = /^(.*\/\.cairn\/staging\/[^/]+)\/([^/]+)$/;

/** Watches all staging folders of a world. */
export class Claims {
  readonly #world: World;
  readonly #hashers: Hashers;
  readonly #folders = new Map<string, Folder>();

  constructor(world: World, hashers: Hashers) {
    this.#world = world;
    this.#hashers = hashers;
  }

  /** The digests that the durable journal of a staging folder claims, in hexadecimal; `key` is `machine:path`. */
  of(key: string): ReadonlyMap<number, string> {
    return this.#folders.get(key)?.claims ?? NOTHING;
  }

  /** A file was synced: a journal may say more now. */
  synced(machine: Machine, file: FileNode): void {
    const [, path, name] = STAGED.exec(file.path) ?? [];
    if (path === undefined || name !== 'journal') return;
    // A file that was removed claims nothing any more.
    if (machine.disk.find(file.path) !== file) return;
    this.#look(machine, path, file, 'after a sync of the journal');
  }

  /** A file was written: nothing that is claimed may have become something else. */
  written(machine: Machine, file: FileNode): void {
    const [, path, name] = STAGED.exec(file.path) ?? [];
    const folder = path === undefined ? undefined : this.#folders.get(keyOf(machine, path));
    if (folder === undefined || path === undefined || name === 'journal') return;
    for (const [chunk, digest] of folder.claims) {
      if (placeOf(folder, chunk).file === name)
        this.#check(machine, path, folder, chunk, digest, 'after a write');
    }
  }

  /** The power of a machine went: all that is claimed must still be there. */
  powerCut(machine: Machine): void {
    for (const key of this.#folders.keys()) {
      const path = key.slice(machine.name.length + 1);
      if (key !== keyOf(machine, path)) continue;
      const journal = machine.disk.find(`${path}/journal`);
      if (journal?.type === 'file') this.#look(machine, path, journal, 'after a power cut');
    }
  }

  #look(machine: Machine, path: string, journal: FileNode, when: string): void {
    const state = stateOf(journal.durableBytes);
    if (state === undefined) return;
    const before = this.#folders.get(keyOf(machine, path));
    const plan = machine.disk.find(`${path}/plan`);
    if (plan?.type !== 'file') return;
    const planText = plan.bytes.toString();
    const isKnown = before?.manifest.id === state.manifestId && before.plan === planText;
    const folder = isKnown ? before : this.#open(machine, path, state.manifestId, planText);
    if (folder === undefined) return;
    if (state.claims.size > 0 && machine.disk.find(journal.path, 'durable') !== journal)
      this.#world.break('claims', `${when} the way to ${journal.path} is not durable`);
    const known = isKnown && when !== 'after a power cut' ? before.claims : new Map<number, string>();
    folder.claims = state.claims;
    for (const [chunk, digest] of state.claims) {
      if (known.get(chunk) !== digest) this.#check(machine, path, folder, chunk, digest, when);
    }
  }

  #open(machine: Machine, path: string, manifestId: string, plan: string): Folder | undefined {
    const document = machine.disk.find(`${path}/manifest`);
    if (document?.type !== 'file') return undefined;
    const manifest = manifestOf(document.bytes, manifestId);
    const { have } = JSON.parse(plan) as { have: number[] };
    const present = ChunkSet.fromRuns(have, manifest.entries.length);
    const layout = createLayout(manifest, { isPresent: (index) => present.has(index) });
    const folder: Folder = { plan, manifest, layout, claims: new Map() };
    this.#folders.set(keyOf(machine, path), folder);
    return folder;
  }

  /** Whether a folder of the server is of a session that still takes chunks. */
  #isUnderWay(machine: Machine, path: string): boolean {
    const id = path.slice(path.lastIndexOf('/') + 1);
    const record = machine.disk.find(`${PLACE.serverState}/${id}.json`);
    if (record?.type !== 'file') return false;
    const { state } = JSON.parse(record.bytes.toString()) as { state: SessionState };
    return state === 'open' || state === 'suspended';
  }

  #check(machine: Machine, path: string, folder: Folder, chunk: number, digest: string, when: string): void {
    const { file, from, to } = placeOf(folder, chunk);
    const node = machine.disk.find(`${path}/${file}`);
    if (node?.type !== 'file') {
      // Else it was published, or it is being thrown away; both are looked at where they happen.
      if (this.#isUnderWay(machine, path))
        this.#world.break(
          'claims',
          `${when} the journal of ${path} claims chunk ${chunk}, whose file is gone`,
        );
      return;
    }
    const durable = node.durableBytes.subarray(from, to);
    const visible = node.bytes.subarray(from, to);
    const what = `${when} the journal of ${path} claims chunk ${chunk}`;
    if (!durable.equals(visible)) this.#world.break('claims', `${what}, whose bytes are not durable`);
    const hasher = this.#hashers[folder.manifest.digest]();
    hasher.update(durable);
    if (Buffer.from(hasher.digest()).toString('hex') !== digest)
      this.#world.break('claims', `${what}, whose durable bytes are others`);
  }
}

function keyOf(machine: Machine, path: string): string {
  return `${machine.name}:${path}`;
}

function stateOf(bytes: Buffer): { manifestId: string; claims: Map<number, string> } | undefined {
  const [first, ...rest] = readJournal(bytes).records;
  if (first === undefined) return undefined;
  const { manifestId, digestLengthBytes } = decodeBinding(first);
  const digests = new ChunkDigests(digestLengthBytes);
  const state: CheckpointState = { digests, partialChunks: new Map(), epoch: 0, note: {} };
  for (const record of rest) applyRecord(state, record);
  const claims = new Map<number, string>();
  for (const chunk of digests.chunks.values())
    claims.set(chunk, Buffer.from(digests.get(chunk)!).toString('hex'));
  return { manifestId, claims };
}

/** The manifest in a document of a staging folder: its header, its entries, and lines that are neither. */
function manifestOf(bytes: Buffer, id: string): Manifest {
  const [header = '', ...lines] = bytes.toString().split('\n');
  const entries = lines.filter((line) => /^\["[fdl]",/.test(line)).map((line) => decodeEntry(line));
  return { ...createManifest(decodeHeader(header), entries), id };
}

function placeOf({ manifest, layout }: Folder, chunk: number): Place {
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const { entryIndex, entryOffset } = [...layout.segmentsOf(chunk)][0]!;
  if (manifest.entries.sizeOf(entryIndex) < manifest.chunkSizeBytes) {
    return { file: `c${chunk}`, from: 0, to: lengthBytes };
  }
  return { file: `e${entryIndex}`, from: entryOffset, to: entryOffset + lengthBytes };
}
