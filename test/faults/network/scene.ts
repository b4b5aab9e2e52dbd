/** What every case of the network suite has: a world, a proxy before its server, and a file that goes one way. */
import { createReadStream, readFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { CliEnvironment, CliResult, CliRun } from '../../support/cli.ts';
import {
  startCuttingProxy,
  type CuttingProxy,
  type CuttingProxyOptions,
} from '../../support/cutting-proxy.ts';
import { writeRandomFile } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { checkClaims, checkExit, checkOldOrNew, checkToldError, contentOf } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World, type WorldOptions } from '../support/world.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Both ways that a file can go. */
export const DIRECTIONS = ['push', 'pull'] as const;
/** One of {@link DIRECTIONS}. */
export type Direction = (typeof DIRECTIONS)[number];

/** The way its bytes go through a proxy. */
export const wayOf = (direction: Direction): 'up' | 'down' => (direction === 'push' ? 'up' : 'down');

/** Starts a proxy before the world's server; it goes with the test. */
export async function proxyBefore(
  world: World,
  options: Omit<CuttingProxyOptions, 'targetPort'> = {},
): Promise<CuttingProxy> {
  const proxy = await startCuttingProxy({ targetPort: world.server.port, ...options });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A file on its way. */
export interface Job {
  readonly direction: Direction;
  /** The way its bytes go through the proxy. */
  readonly way: 'up' | 'down';
  readonly sizeBytes: number;
  /** Where it is to appear. */
  readonly target: string;
  /** Words of the command. */
  readonly args: readonly string[];
  /** Whether the file is at its target, byte for byte. */
  isThere(): boolean;
  start(more?: Partial<CliEnvironment>): CliRun;
  run(more?: Partial<CliEnvironment>): Promise<CliResult>;
  /** The run ended well: what is there is what was sent, and nothing else is left, after so long at most. */
  checkDone(result: CliResult, patienceMs?: number): Promise<void>;
  /** The run ended with one of these exit codes, told so, and broke nothing. */
  checkFailed(result: CliResult, exitCodes: readonly number[]): Promise<void>;
}

/** What {@link createJob} makes. */
export interface JobOptions {
  readonly world: World;
  readonly proxy: Pick<CuttingProxy, 'port'>;
  readonly direction: Direction;
  readonly sizeBytes: number;
  /** Whether a push gets the file through its standard input. */
  readonly isPiped?: boolean;
  /** More words of the command line. */
  readonly words?: readonly string[];
  /** As a word of the command line. */
  readonly chunkSize?: string;
  readonly retryFor?: string;
  readonly parallel?: number;
  /** Name of the proxy's host. */
  readonly host?: string;
  readonly name?: string;
}

let jobs = 0;

/** Makes a file, and the command that moves it through the proxy. */
export function createJob(options: JobOptions): Job {
  const { world, proxy, direction, sizeBytes, isPiped = false, host = '127.0.0.1' } = options;
  const { chunkSize = '256K', retryFor = '60s', parallel = 4, name = `file-${(jobs += 1)}` } = options;
  const isPush = direction === 'push';
  const destination = workFolder(world, `to-${name}`);
  const source = path.join(isPush ? workFolder(world, 'from') : world.root, name);
  const target = path.join(isPush ? world.root : destination, name);
  writeRandomFile(source, sizeBytes);
  const url = `http://${host}:${proxy.port}/${name}`;
  const words = ['--chunk-size', chunkSize, '--retry-for', retryFor, '--parallel', String(parallel)];
  words.push(...(options.words ?? []));
  // No other name than that of this machine is trusted to stay on it.
  if (host !== '127.0.0.1') words.push('--insecure-http');
  const args = isPush ? ['push', isPiped ? '-' : source, url, ...words] : ['pull', url, target, ...words];
  const input = (): Partial<CliEnvironment> => (isPiped ? { stdin: createReadStream(source) } : {});
  const isThere = (): boolean => contentOf(target)?.equals(readFileSync(source)) === true;
  return {
    direction,
    way: wayOf(direction),
    sizeBytes,
    target,
    args,
    start: (more) => world.start(args, { ...input(), ...more }),
    run: (more) => world.run(args, { ...input(), ...more }),
    isThere,
    checkDone: async (result, patienceMs) => {
      checkArrived({ isThere }, result);
      await checkClaims(world.root);
      await checkBackToStart(world, { destination, ...(patienceMs === undefined ? {} : { patienceMs }) });
    },
    checkFailed: async (result, exitCodes) => {
      checkToldError(result, exitCodes);
      checkOldOrNew(target, undefined, readFileSync(source));
      await checkClaims(world.root);
      await checkClaims(destination);
      world.checkSurroundings();
    },
  };
}

/** The run ended well, and what is at the target is what was sent. */
export function checkArrived({ isThere }: Pick<Job, 'isThere'>, result: CliResult): void {
  if (result.exitCode !== 0) throw unexpected(result);
  checkExit(result, isThere);
}

/** An end that no promise allows for. */
export function unexpected({ exitCode, signal, stderr, last }: CliResult): Violation {
  return new Violation('unclear', `exit ${exitCode ?? signal}: ${JSON.stringify(last)}\n${stderr}`);
}

/** The payload bytes that a run says crossed the wire. */
export function movedBytes({ last }: CliResult): number {
  return Number(last['bytesSent'] ?? last['bytesReceived']);
}

/** Lines of a server's log, as far as they are whole. */
export function logLines({ server }: World): Record<string, unknown>[] {
  return server
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A world whose server tells of every chunk. */
export function talkativeWorld(options: WorldOptions = {}): Promise<World> {
  return createWorld({ ...options, extraArgs: ['--log-level', 'debug', ...(options.extraArgs ?? [])] });
}

/** Fails unless something was really done to the transfer. */
export function checkInjected(count: number): void {
  if (count === 0) throw new Error('no fault was injected');
}

/** Waits for all; throws what went wrong with any of them. */
export async function allOf(cases: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(cases);
  const reasons = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as Error] : [],
  );
  if (reasons.length > 0) throw new AggregateError(reasons, reasons.map(({ message }) => message).join('\n'));
}
