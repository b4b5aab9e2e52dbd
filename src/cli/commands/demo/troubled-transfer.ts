/** One transfer of the demo: the real client against the real server, with trouble at given points. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  endedEarly,
  type DemoServer,
  type CliProcess,
  type JsonObject,
  type ProcessPool,
} from './processes.ts';
import type { Direction, Proxy } from './cutting-proxy.ts';

/** What the demo does to a transfer. */
export type Trouble = 'cut' | 'kill-client' | 'kill-server';

/** What went wrong, and how long it took to go on. */
export interface Incident {
  readonly trouble: Trouble;
  /** Where in the transfer, in percent. */
  readonly atPercent: number;
  /** From the moment at which going on became possible to the first new byte; undefined where none was left to move. */
  readonly resumedAfterMs: number | undefined;
}

/** What one transfer of the demo needs. */
export interface TroubledTransfer {
  readonly direction: 'push' | 'pull';
  /** The arguments of the client; the same ones after it was killed. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  readonly troubles: readonly { readonly trouble: Trouble; readonly atPercent: number }[];
}

/** What all transfers of the demo share. */
export interface DemoStage {
  readonly pool: ProcessPool;
  readonly proxy: Proxy;
  readonly server: DemoServer;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** How a transfer went. */
export interface TransferOutcome {
  readonly summary: JsonObject;
  readonly incidents: readonly Incident[];
  /** Bytes that the sender sent in all its lives, protocol included. */
  readonly bytesOnWire: number;
  /** Paths that the client had to leave out. */
  readonly leftOut: readonly string[];
}

const SERVER_AWAY_MS = 700;

/** Runs a transfer to its end, through all its troubles. @throws CairnError when the last client fails */
export async function runTroubledTransfer(
  stage: DemoStage,
  transfer: TroubledTransfer,
): Promise<TransferOutcome> {
  const { pool, proxy, signal } = stage;
  const way: Direction = transfer.direction === 'push' ? 'up' : 'down';
  const before = proxy.bytes(way);
  const incidents: Incident[] = [];
  let client = pool.start(transfer.args, transfer.env);
  for (const { trouble, atPercent } of transfer.troubles) {
    const point = before + (transfer.sizeBytes * atPercent) / 100;
    // oxlint-disable-next-line no-await-in-loop -- one trouble after the other
    const reachedAt = await unlessOver(client, signal, proxy.reached(way, point));
    if (reachedAt === undefined) break;
    // oxlint-disable-next-line no-await-in-loop
    const { since, next } = await makeTrouble(stage, transfer, trouble, client);
    client = next;
    // oxlint-disable-next-line no-await-in-loop
    const firstByteAt = await unlessOver(client, signal, proxy.nextPayload(way));
    const resumedAfterMs = firstByteAt === undefined ? undefined : Math.max(0, firstByteAt - since);
    incidents.push({ trouble, atPercent, resumedAfterMs });
  }
  const ending = await untilAborted(client.ended, signal);
  const summary = client.lines('summary').at(-1);
  if (summary === undefined || (ending.exitCode !== 0 && ending.exitCode !== 3)) {
    throw endedEarly(transfer.args, ending, client.complaint());
  }
  const leftOut = client.lines('warning').map((line) => String(line['path']));
  return { summary, incidents, bytesOnWire: proxy.bytes(way) - before, leftOut };
}

/** Makes it, and answers since when going on was possible, and the client that goes on. */
async function makeTrouble(
  { pool, proxy, server, signal, say }: DemoStage,
  transfer: TroubledTransfer,
  trouble: Trouble,
  client: CliProcess,
): Promise<{ since: number; next: CliProcess }> {
  if (trouble === 'cut') {
    const since = performance.now();
    say(`cut all connections (${proxy.cut()})`);
    return { since, next: client };
  }
  if (trouble === 'kill-client') {
    say('kill -9 the client, and run the same command again');
    client.kill('SIGKILL');
    await untilAborted(client.ended, signal);
    return { since: performance.now(), next: pool.start(transfer.args, transfer.env) };
  }
  say('kill -9 the server; the client waits; start the server again');
  await server.kill();
  await sleep(SERVER_AWAY_MS, undefined, { signal });
  await untilAborted(server.start(), signal);
  return { since: performance.now(), next: client };
}

/** What `promise` gives, or undefined when the client ends before. */
function unlessOver<T>(client: CliProcess, signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  return untilAborted(Promise.race([promise, client.ended.then(() => undefined)]), signal);
}

/** What `promise` gives; rejects with the signal's reason as soon as it is aborted. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_done, fail) => {
    abort = () => fail(signal.reason as Error);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
