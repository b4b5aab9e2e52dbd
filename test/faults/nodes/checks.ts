/** What has to hold of nodes over one store when all transfers are over. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../../src/base/errors.ts';
import { isTerminal } from '../../../src/session/state.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { findNeeded } from '../../../src/storage/entry-tree/walk-pages.ts';
import { openPublishedTree } from '../../../src/storage/object-content/published-tree.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { Violation } from '../support/violation.ts';
import type { NodesScene } from './scene.ts';

const LOOK_MS = 100;
const PATIENCE_LOOKS = 300;

/** Whether a tree is published whole, or not at all; anything between is a violation. */
export async function stateOfTree(
  { content }: Pick<NodesScene, 'content'>,
  source: string,
  target: string,
): Promise<'whole' | 'absent'> {
  const there = await publishedFiles(content, target);
  if (there === undefined) return 'absent';
  const sent = sentFiles(source);
  const missing = [...sent.keys()].filter((name) => there.get(name) !== sent.get(name));
  if (missing.length === 0 && there.size === sent.size) return 'whole';
  const what = `"${target}" has ${there.size} of ${sent.size} files, and ${missing.length} of those sent are missing or other ones`;
  throw new Violation('mixture', `${what}, such as "${missing[0]}"`, missing.length);
}

async function publishedFiles(
  content: ContentStore,
  target: string,
): Promise<Map<string, string> | undefined> {
  const found = new Map<string, string>();
  try {
    for await (const batch of content.scan(target, { onNotice: () => undefined })) {
      for (const { entry } of batch) {
        if (entry.type !== 'file') continue;
        const hash = createHash('sha256');
        for await (const piece of content.read(`${target}/${entry.path}`, { from: 0, to: entry.sizeBytes })) {
          hash.update(piece);
        }
        found.set(entry.path, hash.digest('hex'));
      }
    }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return undefined;
    throw error;
  }
  return found;
}

function sentFiles(source: string): Map<string, string> {
  const names = readdirSync(source, { recursive: true }) as string[];
  const files = names.filter((name) => lstatSync(path.join(source, name)).isFile());
  const digestOf = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(path.join(source, name)))
      .digest('hex');
  return new Map(files.map((name) => [name, digestOf(name)]));
}

/** A session is published by one node at a time: the next one begins when the one before has ended, or was killed. Answers how often. */
export function checkPublishers({ told }: Pick<NodesScene, 'told'>): number {
  const publishing = new Map<string, string>();
  let calls = 0;
  for (const line of told.toSorted((a, b) => a.atMs - b.atMs)) {
    if (line.type === 'begins') {
      const other = publishing.get(line.session);
      if (other !== undefined && other !== line.node) {
        const what = `${line.node} publishes ${line.session} while ${other} does`;
        throw new Violation('unclear', what);
      }
      publishing.set(line.session, line.node);
      calls += 1;
    } else if (line.type === 'ends') {
      if (publishing.get(line.session) === line.node) publishing.delete(line.session);
    } else if (line.type === 'killed' || line.type === 'stopped') {
      for (const [session, node] of publishing) if (node === line.node) publishing.delete(session);
    }
  }
  return calls;
}

/** All sessions come to an end, and nothing stays in staging. */
export async function checkNothingStaged({ objects, content }: NodesScene): Promise<void> {
  const sessions = createDocumentSessions(createObjectState(objects));
  let unfinished: string[] = [];
  let areas: string[] = [];
  for (let look = 0; look < PATIENCE_LOOKS; look += 1) {
    unfinished = [];
    for await (const { id, state, target } of sessions.list()) {
      if (!isTerminal(state)) unfinished.push(`${id} (${state}, "${target}")`);
    }
    areas = await content.listStaging();
    if (unfinished.length + areas.length === 0) return;
    await sleep(LOOK_MS);
  }
  const what = [...unfinished, ...areas.map((area) => `staging of ${area}`)];
  throw new Violation('leak', `left when all was over: ${what.join(', ')}`);
}

/** Everything that no entry needs is freed. */
export async function checkCollected({ objects }: NodesScene): Promise<void> {
  const tree = openPublishedTree(objects);
  let left: string[] = [];
  for (let look = 0; look < PATIENCE_LOOKS; look += 1) {
    const needed = await findNeeded(tree.pages(), (await tree.root()).tree, () => false);
    left = [];
    for (const prefix of ['c/', 'd/', 'g/']) {
      for await (const { key } of objects.list(prefix)) {
        if (needed?.content.has(key) !== true && needed?.pageKeys.has(key) !== true) left.push(key);
      }
    }
    if (left.length === 0) return;
    await sleep(LOOK_MS);
  }
  throw new Violation('leak', `${left.length} objects are left that no entry needs, such as "${left[0]}"`);
}
