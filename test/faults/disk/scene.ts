/** What the disk suite works on: a small tree, a push of it to a server, a pull of it, and what holds after a fault. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliEnvironment, CliResult } from '../../support/cli.ts';
import { fetchPublished } from '../../support/servers.ts';
import { writeRandomFile } from '../../support/trees.ts';
import { attach, countInjected } from '../support/attach.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import type { FaultRun } from '../support/campaign.ts';
import {
  checkAcknowledged,
  checkClaims,
  checkExit,
  checkSameTree,
  checkToldError,
  checkTreeOldOrNew,
  type Told,
} from '../support/invariants.ts';
import { traced, type Injection } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World, type WorldOptions } from '../support/world.ts';

const KIB = 1024;
const CHUNK_BYTES = 64 * KIB;

/** A world with a tree to move, and a file that others ask for meanwhile. */
export interface DiskScene {
  readonly world: World;
  readonly source: string;
  /** What others ask for, at `/other`. */
  readonly other: Buffer;
}

/** Makes a scene; its server has one thread for its files, so that faults hit the same call each time. */
export async function openScene(options: WorldOptions = {}): Promise<DiskScene> {
  const world = await createWorld({ env: { UV_THREADPOOL_SIZE: '1' }, ...options });
  const source = workFolder(world, 'source');
  writeRandomFile(path.join(source, 'big'), 5 * CHUNK_BYTES + 123);
  writeRandomFile(path.join(source, 'below/second'), 2 * CHUNK_BYTES);
  for (let i = 0; i < 12; i += 1) writeRandomFile(path.join(source, `below/small-${i}`), 3000 + i);
  writeRandomFile(path.join(world.root, 'other'), 20_000);
  return { world, source, other: readFileSync(path.join(world.root, 'other')) };
}

/** Options of a transfer of this suite. */
export const OPTIONS = ['--chunk-size', '64K', '--retry-for', '20s'];

/** The words that push the source to `/NAME`. */
export function pushOf({ world, source }: DiskScene, name: string): string[] {
  return ['push', ...OPTIONS, source, `${world.server.url}/${name}`];
}

/** The words that pull `/NAME` to a directory. */
export function pullOf({ world }: DiskScene, name: string, destination: string): string[] {
  return ['pull', ...OPTIONS, `${world.server.url}/${name}`, destination];
}

/** What a fault may end a command with. */
export interface Outcome {
  readonly exitCodes: readonly number[];
  /** Added to the figures of the case. */
  readonly given: FaultRun;
  /** Traces the runs that follow, too. A fault of a later call may then hit them. */
  readonly goesOnTracing?: boolean;
}

/**
 * Pushes while the server suffers from `inject`, then without; checks everything in between and afterwards.
 *
 * @returns the trace of the server
 */
export async function pushThroughFault(
  scene: DiskScene,
  name: string,
  inject: readonly Injection[],
  { exitCodes, given, goesOnTracing = false }: Outcome,
): Promise<string> {
  const { world, source, other } = scene;
  const { server, root } = world;
  note(inject);
  const stateHome = workFolder(world, `home-${name}`);
  const pid = server.pid()!;
  const calls = [...new Set([...TRACED, ...inject.map((words) => words.split(':')[0]!)])];
  const fault = await attach(pid, { calls, inject });
  const first = await world.run(pushOf(scene, name), { stateHome });
  await checkServesOthers(server, other);
  let trace = goesOnTracing ? '' : await fault.detach();
  checkFailure(first, exitCodes, 'at the server');
  const target = path.join(root, name);
  checkTreeOldOrNew(target, undefined, source);
  await settled(root);
  await checkClaims(root);
  if (first.exitCode !== 0)
    given.add('acknowledged KiB', Math.round((await checkAcknowledged(stateHome, root)) / KIB));
  if (goesOnTracing) {
    for (let tries = 0, exitCode: number | null = 9; exitCode === 9 && tries < MAX_TRIES; tries += 1)
      ({ exitCode } = await world.run(pushOf(scene, name), { stateHome }));
    trace = await fault.detach();
  }
  given.injected(countInjected(trace));
  await finish(scene, pushOf(scene, name), { stateHome, target, first });
  await checkBackToStart(world, { clientHomes: [stateHome] });
  return trace;
}

/** Each thread meets its fault once; one of them may be met here. */
const MAX_TRIES = 4;

async function checkServesOthers(server: DiskScene['world']['server'], other: Buffer): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      if ((await fetchPublished(server, '/other'))?.equals(other)) return;
      throw new Violation('unclear', 'the server does not serve others while its disk fails');
    } catch (error) {
      if (error instanceof Violation || tries === MAX_TRIES) throw error;
    }
  }
}

/** Calls that are worth seeing in a trace. */
const TRACED = ['openat', 'close', 'pwrite64', 'pwritev', 'fdatasync', 'fsync', 'syncfs'];

/**
 * Pulls while the client suffers from `inject`, then without; checks everything in between and afterwards.
 *
 * @returns the traces of both runs of the client
 */
export async function pullThroughFault(
  scene: DiskScene,
  name: string,
  inject: readonly Injection[],
  { exitCodes, given }: Outcome,
): Promise<[faulty: string, next: string]> {
  const { world, source } = scene;
  const stateHome = workFolder(world, `home-${name}`);
  const destination = path.join(workFolder(world, 'pulled'), name);
  const args = pullOf(scene, 'there', destination);
  const { first, trace } = await runFaulty(scene, args, { stateHome, inject, exitCodes, given });
  checkTreeOldOrNew(destination, undefined, source);
  await checkClaims(destination);
  const { seen, traceOfNext } = watchedNext(stateHome);
  await finish(scene, args, { stateHome, target: destination, first, seen });
  await checkBackToStart(world, { clientHomes: [stateHome], destination });
  return [trace, await traceOfNext()];
}

/** Runs a client that suffers from `inject`; answers how it ended, and its trace. */
export async function runFaulty(
  { world }: DiskScene,
  args: readonly string[],
  { stateHome, inject, exitCodes, given }: Outcome & { stateHome: string; inject: readonly Injection[] },
): Promise<{ first: CliResult; trace: string }> {
  note(inject);
  const log = path.join(stateHome, 'trace');
  const { before, env } = traced({ inject, log, calls: TRACED.join(',') });
  const timed = ['timeout', '-s', 'KILL', String(HUNG_AFTER_S), ...withPaths(before)];
  const first = await world.run(args, { stateHome, before: timed, env });
  await sleep(STRACE_MS);
  const trace = existsSync(log) ? readFileSync(log, 'utf8') : '';
  given.injected(countInjected(trace));
  if (isOutputHit(trace)) given.add('hung after its last word', first.signal === null ? 0 : 1);
  else checkFailure(first, exitCodes, undefined);
  return { first, trace };
}

/** How to run a client that is watched, and what was seen then. */
export function watchedNext(stateHome: string): {
  seen: Partial<CliEnvironment>;
  traceOfNext: () => Promise<string>;
} {
  const log = path.join(stateHome, 'next-trace');
  const { before, env } = traced({ log, calls: TRACED.join(',') });
  return {
    seen: { before: withPaths(before), env },
    traceOfNext: async () => {
      await sleep(STRACE_MS);
      return readFileSync(log, 'utf8');
    },
  };
}

/** Strace writes its last lines when the command is over. */
const STRACE_MS = 100;

/** The words of strace that also show what descriptors are open on. */
function withPaths(before: readonly string[]): string[] {
  return before.flatMap((word) => (word === '-f' ? ['-f', '-y'] : [word]));
}

const HUNG_AFTER_S = 10;

/**
 * Whether a fault hit standard output or error instead of a file: koffi syncs both when the process ends, and tries
 * for ever where that fails. By then everything has been said and done.
 */
function isOutputHit(trace: string): boolean {
  return /fsync\([12]<.*\(INJECTED\)/.test(trace);
}

/** The trace of a pull without a fault. */
export function traceOfPull(scene: DiskScene, calls: readonly string[]): Promise<string> {
  const destination = path.join(workFolder(scene.world, 'pulled'), 'trace');
  return traceOfClient(scene, pullOf(scene, 'there', destination), calls);
}

/** The trace of a command without a fault. */
export async function traceOfClient(
  { world }: DiskScene,
  args: readonly string[],
  calls: readonly string[],
): Promise<string> {
  const stateHome = workFolder(world, 'home-trace');
  const log = path.join(stateHome, 'trace');
  const { before, env } = traced({ log, calls: calls.join(',') });
  await world.run(args, { stateHome, before, env });
  await sleep(STRACE_MS);
  return readFileSync(log, 'utf8');
}

/** Puts the source at `/there` without a transfer. */
export function publishSource({ world, source }: DiskScene): void {
  execFileSync('cp', ['-a', source, path.join(world.root, 'there')]);
}

/** Attaches `inject` to the server while `work` goes on; others are served all the while. Answers the trace. */
export async function whileServerSuffers<T>(
  { world: { server }, other }: DiskScene,
  inject: readonly Injection[],
  work: () => Promise<T>,
): Promise<{ result: T; trace: string }> {
  note(inject);
  const calls = [...new Set([...TRACED, ...inject.map((words) => words.split(':')[0]!)])];
  const fault = await attach(server.pid()!, { calls, inject });
  const result = await work();
  if (!(await fetchPublished(server, '/other'))?.equals(other))
    throw new Violation('unclear', 'the server does not serve others while its disk fails');
  return { result, trace: await fault.detach() };
}

/** Runs the same command without a fault: it finishes, and the target is the source. */
export async function finish(
  { world, source }: DiskScene,
  args: readonly string[],
  {
    stateHome,
    target,
    first,
    seen = {},
  }: { stateHome: string; target: string; first: CliResult; seen?: Partial<CliEnvironment> },
): Promise<void> {
  checkExit(first, () => isSame(source, target));
  const second = await world.run(args, { stateHome, ...seen });
  checkFailure(second, [0], undefined);
  checkSameTree(source, target);
}

function isSame(source: string, target: string): boolean {
  try {
    checkSameTree(source, target);
    return true;
  } catch {
    return false;
  }
}

/** The exit code is one of these; a failure tells what happened, where, and what to do next. */
export function checkFailure(result: Told, exitCodes: readonly number[], where: string | undefined): void {
  if (result.exitCode === 0 && exitCodes.includes(0)) return;
  checkToldError(result, exitCodes);
  const isComplete =
    (result.hasRecord === false || result.stderr.includes('run the same command again')) &&
    (where === undefined || String(result.last['message']).includes(where));
  if (result.exitCode === 9 && !isComplete)
    throw new Violation('unclear', `exit 9 without saying where, or what to do next:\n${result.stderr}`);
}

/** A sync point that was under way when a client left is over: the journal does not change any more. */
export async function settled(root: string): Promise<void> {
  const open = (): string => JSON.stringify(readJournals(root));
  for (let seen = open(), tries = 0; tries < 20; tries += 1) {
    await sleep(60);
    const now = open();
    if (now === seen) return;
    seen = now;
  }
}

function readJournals(root: string): number[] {
  const staging = path.join(root, '.cairn/staging');
  if (!existsSync(staging)) return [];
  return readdirSync(staging).map((id) => {
    const file = path.join(staging, id, 'journal');
    return existsSync(file) ? readFileSync(file).length : 0;
  });
}

/** Shown beside a failure: a seed alone does not tell which call it was. */
function note(inject: readonly Injection[]): void {
  process.stdout.write(`disk: ${inject.join(' ')}\n`);
}
