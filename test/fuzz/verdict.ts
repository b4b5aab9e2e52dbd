/** What a campaign has shown, in words. */
import type { CampaignResult } from './campaign.ts';

const MIB = 1024 * 1024;
/** What a server may hold more than before. */
export const MOST_MORE_BYTES = 20 * MIB;

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

/** What is not as it has to be; empty where all is well. Times are no part of it: they depend on the machine. */
export function faultsOf({ isAlive, before, after, bugs, statuses }: CampaignResult): string[] {
  const faults = bugs.map((line) => `the log tells of a bug: ${line.slice(0, 500)}`);
  const internal = statuses.get(500) ?? 0;
  if (internal > 0) faults.push(`${internal} requests were answered with 500`);
  if (!isAlive || after === undefined) return [...faults, 'the server has ended'];
  const more = after.liveBytes - before.liveBytes;
  if (more > MOST_MORE_BYTES) faults.push(`the server holds ${mib(more)} more than before`);
  const open = after.descriptors - before.descriptors;
  if (open > 0) faults.push(`${open} descriptors were not given back`);
  return faults;
}

/** A paragraph about a campaign. */
export function tell(name: string, result: CampaignResult): string {
  const { messages, connections, seconds, statuses, before, after, latencyMs } = result;
  const codes = [...statuses].toSorted(([a], [b]) => a - b).map(([code, count]) => `${code}: ${count}`);
  const held = (holding: typeof before): string =>
    `${mib(holding.rssBytes)} resident, ${mib(holding.liveBytes)} in use, ${holding.descriptors} descriptors`;
  return [
    `${name}: ${messages} messages over ${connections} connections in ${seconds.toFixed(0)} s`,
    `  answers  ${codes.join(', ')}`,
    `  before   ${held(before)}`,
    `  after    ${after === undefined ? 'the server has ended' : held(after)}`,
    `  others   ${latencyMs.p50} ms in the middle, ${latencyMs.p99} ms at the 99th percentile, ${latencyMs.max} ms at most`,
    '',
  ].join('\n');
}
