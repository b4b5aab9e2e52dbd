/** What becomes of the connections that nobody uses when one of them falls silent. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openContext } from '../../src/client/transfer/transfer-context.ts';
import { openScene, until } from '../server/by-hand.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';

test('the next try after a silent connection takes a new connection, and no idle one that is as dead', async () => {
  const scene = await openScene('memory');
  const proxy = await startCuttingProxy({ targetPort: scene.server.port });
  onTestFinished(() => proxy.close());
  const context = await openContext({
    token: async () => undefined,
    url: new URL(`http://127.0.0.1:${proxy.port}/`),
    signal: new AbortController().signal,
    report: () => undefined,
    retryForMs: 60_000,
    silenceMs: 1000,
    random: () => 0,
  });
  onTestFinished(() => context.close());
  const { server, retrier, signal } = context;
  const ask = () => server.connection.request({ method: 'GET', url: server.root, signal });
  const goSilent = () => {
    proxy.swallow('down');
    proxy.heal();
  };
  goSilent();
  const asked = retrier.run(ask);
  await until(async () => proxy.silenced === 1);
  await delay(300);
  await (await ask()).discard();
  goSilent();
  await (await asked).discard();
  expect(retrier.retries).toBe(1);
});
