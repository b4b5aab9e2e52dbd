/** What has to hold of the disk at the very moment of a crash, and what may lie there when all is over. */
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TransferRecord } from '../../../src/client/state/transfer-record.ts';
import { formatRecord } from '../../../src/session/record-schema.ts';
import type { SessionRecord } from '../../../src/session/record.ts';
import { stagedCheckpoints, wrongChunks, type StagedCheckpoint } from '../support/checkpoints.ts';
import {
  checkAcknowledged,
  checkNothingLeft,
  checkSameTree,
  checkTreeOldOrNew,
  contentOf,
} from '../support/invariants.ts';
import { sessionRecords, unfinishedSessions } from '../support/sessions.ts';
import { Violation } from '../support/violation.ts';
import type { Scene } from './scenario.ts';

/**
 * The disk as a kill left it, while nobody writes: every file is old or new, and old until both sides agreed on the
 * whole; what a checkpoint claims is staged, or already in its place; what the client was told is so.
 *
 * @returns bytes that the receiver's checkpoint has, or that are published
 */
export async function checkDisk({ scenario, world, target, stagingRoot }: Scene): Promise<number> {
  const { direction, fresh, old } = scenario;
  const states = sessionRecords(world.root).map(({ state }) => state);
  const isAgreed = states.includes('committing') || states.includes('committed');
  if (isAgreed) {
    checkTreeOldOrNew(target, old, fresh);
    checkLinkOldOrNew(path.join(target, 'link'), scenario);
  } else checkStillOld(target, old, fresh);
  if (direction === 'push' && states.includes('committed')) checkSameTree(fresh, target);
  if (direction === 'push' && !states.includes('committed'))
    await checkAcknowledged(world.clientHome, world.root);
  const staged = await stagedCheckpoints(stagingRoot);
  if (staged.length === 0 && isAgreed && isSameTree(fresh, target)) return scenario.bytesTotal;
  let durableBytes = 0;
  for (const checkpoint of staged) durableBytes += await checkStaged(checkpoint, target, fresh);
  return durableBytes;
}

function isSameTree(fresh: string, target: string): boolean {
  try {
    checkSameTree(fresh, target);
    return true;
  } catch (error) {
    if (error instanceof Violation) return false;
    throw error;
  }
}

function checkStillOld(target: string, old: string, fresh: string): void {
  for (const name of readdirSync(fresh, { recursive: true, encoding: 'utf8' })) {
    if (!lstatSync(path.join(fresh, name)).isFile()) continue;
    const before = contentOf(path.join(old, name));
    const found = contentOf(path.join(target, name));
    const isOld = before === undefined ? found === undefined : found?.equals(before) === true;
    if (!isOld) throw new Violation('mixture', `"${name}" changed before both sides agreed on the whole`);
  }
}

function checkLinkOldOrNew(link: string, { old, fresh }: Scene['scenario']): void {
  if (lstatSync(path.join(fresh, 'link'), { throwIfNoEntry: false }) === undefined) return;
  const [was, is] = [old, fresh].map((tree) => readlinkSync(path.join(tree, 'link')));
  const found = readlinkSync(link);
  if (found !== was && found !== is) throw new Violation('mixture', `"${link}" leads to "${found}"`);
}

/** A chunk that is claimed is staged, or all that it carries is published. Answers how many bytes are claimed. */
async function checkStaged(checkpoint: StagedCheckpoint, target: string, fresh: string): Promise<number> {
  const { transfer, state, folder } = checkpoint;
  const { layout, manifest } = transfer;
  for (const chunk of await wrongChunks(checkpoint)) {
    for (const { entryIndex } of layout.segmentsOf(chunk)) {
      const name = manifest.entries.pathOf(entryIndex);
      const wanted = readFileSync(path.join(fresh, name));
      if (contentOf(path.join(target, name))?.equals(wanted) === true) continue;
      const lengthBytes = layout.chunkLengthBytes(chunk);
      throw new Violation('lost', `chunk ${chunk} in "${folder}" is claimed and not there`, lengthBytes);
    }
  }
  let bytes = 0;
  for (const chunk of state.digests.chunks.copy().values()) bytes += layout.chunkLengthBytes(chunk);
  return bytes;
}

/** What a server has below `.cairn` while nothing is under way; the recipes of large files are kept up to a bound. */
const SERVER_NAMES =
  /^(token|tokens\.json|session-key|last-seen|lease|(tokens\.)?lock|(tokens\.)?lock\/lock\.\d+|sessions|sessions\/[\w-]+\.json|staging|cuts|cuts\/[\w.-]+)$/;

/** Files that a server with nothing under way has no use for, below its root and in its state home. */
export function strangersOfServer({ root, stateHome }: { root: string; stateHome: string }): string[] {
  return [
    ...strangers(path.join(root, '.cairn'), SERVER_NAMES),
    ...strangers(stateHome, /^(servers|servers\/[\w.]+\.json)$/),
  ];
}

/** When a transfer is over: the tree is the new one, and nothing that was only there for the transfer is left. */
export function checkOver({ scenario, world, target }: Scene): void {
  checkSameTree(scenario.fresh, target);
  const { root: serverRoot, clientHome, server } = world;
  const isPull = scenario.direction === 'pull';
  checkNothingLeft({ serverRoot, clientHome, ...(isPull ? { destination: target } : {}) });
  const strange = [
    ...strangersOfServer(server),
    ...strangers(clientHome, /^(transfers|cuts|cuts\/[\w.-]+)$/),
    ...(isPull && existsSync(path.join(target, '.cairn')) ? [path.join(target, '.cairn')] : []),
  ];
  if (strange.length > 0) throw new Violation('leak', `left behind: ${strange.join(', ')}`);
  const unfinished = unfinishedSessions(serverRoot);
  if (unfinished.length > 0)
    throw new Violation('leak', `sessions that nobody will end: ${JSON.stringify(unfinished)}`);
}

function strangers(directory: string, known: RegExp): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !known.test(name))
    .map((name) => path.join(directory, name));
}

/** Lets the time pass until the leases of these sessions are over, while no server runs. */
export function endLeases(root: string, sessions: readonly SessionRecord[]): void {
  for (const record of sessions) {
    const file = path.join(root, '.cairn/sessions', `${record.id}.json`);
    writeFileSync(file, formatRecord({ ...record, leaseExpiresAtMs: 1 }));
  }
}

/** The sessions that a client would go on with when it is run again. */
export function rememberedSessions(clientHome: string): string[] {
  const transfers = path.join(clientHome, 'transfers');
  if (!existsSync(transfers)) return [];
  return readdirSync(transfers).flatMap((key) => {
    const record = contentOf(path.join(transfers, key, 'transfer.json'));
    return record === undefined ? [] : [(JSON.parse(record.toString()) as TransferRecord).session.session];
  });
}
