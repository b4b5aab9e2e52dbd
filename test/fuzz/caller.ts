/** Well-behaved requests to a victim: what prepares an attack, and what everybody else asks meanwhile. */
import { Agent, request as plain, type RequestOptions } from 'node:http';
import { Agent as SecureAgent, request as secure } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { Victim } from './victim.ts';

/** An answer, read whole. */
export interface Reply {
  readonly status: number;
  readonly text: string;
}

type Asking = Pick<RequestOptions, 'agent' | 'headers' | 'localAddress'> & {
  readonly body?: string | Buffer;
};

/** One request. */
export function ask(
  { port, isTls }: Victim,
  method: string,
  target: string,
  { body, ...options }: Asking = {},
): Promise<Reply> {
  const wish = { host: '127.0.0.1', port, method, path: target, rejectUnauthorized: false, ...options };
  return new Promise((resolve, reject) => {
    const request = (isTls ? secure : plain)(wish, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => (text += piece.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Asks about health every 20 ms over one connection, from an address of its own, until it is stopped. */
export function watchLatency(victim: Victim): { stop(): Promise<number[]> } {
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = victim.isTls ? new SecureAgent(options) : new Agent(options);
  const tookMs: number[] = [];
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted && victim.isAlive()) {
      const startMs = performance.now();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const reply = await ask(victim, 'GET', '/.cairn/healthz', { agent, localAddress: '127.0.0.2' }).catch(
        () => undefined,
      );
      // What never came counts as the longest that anybody would wait.
      tookMs.push(reply?.status === 200 ? performance.now() - startMs : 60_000);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await delay(20);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
      agent.destroy();
      return tookMs;
    },
  };
}
