/** `npm run test:fuzz -- [--requests N] [--seed S] [--most-ms MS]`: half of the messages over TCP, half over TLS. */
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { faultsOf, tell } from './verdict.ts';

const { values } = parseArgs({
  options: {
    'requests': { type: 'string', default: '20000' },
    'seed': { type: 'string', default: String(Date.now() % 1_000_000) },
    /** What others may wait at the 99th percentile, on a machine that does nothing else. */
    'most-ms': { type: 'string' },
  },
});
const [messages, seed] = [Math.ceil(Number(values.requests) / 2), Number(values.seed)];
const mostMs = Number(values['most-ms'] ?? Infinity);
process.stdout.write(`seed ${seed}\n`);
let failed = false;
for (const [name, isTls] of [
  ['TCP', false],
  ['TLS', true],
] as const) {
  // oxlint-disable-next-line no-await-in-loop -- they would take the processors from each other
  const result = await runCampaign({ isTls, messages, seed });
  const faults = faultsOf(result);
  if (result.latencyMs.p99 > mostMs) faults.push(`others waited ${result.latencyMs.p99} ms`);
  process.stdout.write(tell(name, result) + faults.map((fault) => `  FAULT    ${fault}\n`).join(''));
  failed ||= faults.length > 0;
}
process.exitCode = failed ? 1 : 0;
