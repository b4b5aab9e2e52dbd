/** Many attacks on one server, and whether it is as it was before. */
import { setTimeout as delay } from 'node:timers/promises';
import { createRandom } from '../support/random.ts';
import { attack } from './attack.ts';
import { watchLatency } from './caller.ts';
import { endSessions, holder, stranger } from './identity.ts';
import { startVictim, untilCalm, type Holding, type Victim } from './victim.ts';

/** What a campaign is to do. */
export interface CampaignOptions {
  readonly isTls: boolean;
  /** Requests and messages to send at least. */
  readonly messages: number;
  readonly seed: number;
  readonly atATime?: number;
}

/** What came of a campaign. */
export interface CampaignResult {
  readonly isAlive: boolean;
  readonly messages: number;
  readonly connections: number;
  readonly seconds: number;
  /** How often each status came. */
  readonly statuses: ReadonlyMap<number, number>;
  readonly before: Holding;
  readonly after: Holding | undefined;
  /** How long others waited for an answer, in ms: the middle, the 99th percentile, the longest. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Lines of the log that tell of a bug. */
  readonly bugs: readonly string[];
}

/** Code is compiled and memory is taken for good in the first of them, which does not count. */
const WARM_UP = 0.1;
const MIN_WARM_UP = 1500;
const CALM_MS = 30_000;

/** Runs a campaign against a server of its own. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const victim = await startVictim(options.isTls);
  try {
    return await run(victim, options);
  } finally {
    await victim.stop();
  }
}

async function run(
  victim: Victim,
  { messages, seed, atATime = 16 }: CampaignOptions,
): Promise<CampaignResult> {
  const idle = victim.descriptors();
  const warmUp = Math.min(messages, Math.max(MIN_WARM_UP, messages * WARM_UP));
  await attackMany(victim, { messages: warmUp, seed: seed + 1_000_000, atATime });
  await calmDown(victim, idle);
  const before = await victim.measure();
  const latency = watchLatency(victim);
  const startMs = performance.now();
  const { sent, connections, statuses } = await attackMany(victim, { messages, seed, atATime });
  const seconds = (performance.now() - startMs) / 1000;
  const tookMs = (await latency.stop()).toSorted((a, b) => a - b);
  if (victim.isAlive()) await calmDown(victim, before.descriptors);
  const at = (share: number): number =>
    Math.round((tookMs[Math.floor(tookMs.length * share)] ?? 0) * 10) / 10;
  return {
    isAlive: victim.isAlive(),
    messages: sent,
    connections,
    seconds,
    statuses,
    before,
    after: victim.isAlive() ? await victim.measure() : undefined,
    latencyMs: { p50: at(0.5), p99: at(0.99), max: at(0.999_999) },
    bugs: victim.bugs(),
  };
}

/** Ends what attacks leave on purpose, and waits for the rest to end by itself. */
async function calmDown(victim: Victim, descriptors: number): Promise<void> {
  await endSessions(victim);
  await untilCalm(victim, descriptors, CALM_MS);
  await delay(500);
}

async function attackMany(
  victim: Victim,
  { messages, seed, atATime }: { messages: number; seed: number; atATime: number },
): Promise<{ sent: number; connections: number; statuses: Map<number, number> }> {
  const identities = [await stranger(), await holder(victim)];
  const statuses = new Map<number, number>();
  let [sent, connections] = [0, 0];
  const worker = async (): Promise<void> => {
    while (sent < messages && victim.isAlive()) {
      const number = connections;
      connections += 1;
      const random = createRandom(seed * 7919 + number);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const outcome = await attack(victim, identities[number % identities.length]!, random);
      sent += outcome.messages;
      for (const status of outcome.statuses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return { sent, connections, statuses };
}
