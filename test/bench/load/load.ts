/** Many pushes in one process: node load.mjs SOURCE URL TOKEN_FILE STATE SESSIONS AT_ONCE */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { push } from '../../../src/client/push.ts';

const [, , source = '', url = '', tokenFile = '', state = '', sessions = '', atOnce = ''] = process.argv;
const RETRY_FOR_MS = 300_000;

const token = readFileSync(tokenFile, 'utf8').trim();

async function one(number: number): Promise<void> {
  await push([source], {
    url: new URL(`${url}/load/${number}`),
    token: async () => token,
    retryForMs: RETRY_FOR_MS,
    signal: new AbortController().signal,
    report: () => undefined,
    stateHome: state,
    resumeCommand: ['cairn'],
  });
}

async function worker(queue: Iterator<number>): Promise<void> {
  for (let next = queue.next(); next.done !== true; next = queue.next()) await one(next.value);
}

mkdirSync(state, { recursive: true, mode: 0o700 });
const queue = Array.from({ length: Number(sessions) }, (_, number) => number).values();
await Promise.all(Array.from({ length: Number(atOnce) }, () => worker(queue)));
rmSync(state, { recursive: true });
