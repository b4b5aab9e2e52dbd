/** Answers of no session end with what they were allowed by. */
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Authenticator } from '../../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { directory, file, putTree } from '../../suites/staged-transfer.ts';
import { ALICE, call, intercept, openScene, until, type Scene } from '../by-hand.ts';

const FILE_BYTES = 64 * 1024 * 1024;

/** A token that the test revokes, or whose time it moves. */
function revocable(expiresAtMs?: number): Authenticator & { isRevoked: boolean } {
  const token = createStaticToken(ALICE, {
    id: 'token:alice',
    principal: 'alice',
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  });
  const authenticator = {
    isRevoked: false,
    authenticate: token.authenticate,
    stands: () => !authenticator.isRevoked,
  };
  return authenticator;
}

/** Asks for something, reads its beginning, and no more until it is closed. */
async function readSlowly(scene: Scene, target: string): Promise<{ bytes: number; isOver: boolean }> {
  const seen = { bytes: 0, isOver: false };
  const socket = connect(scene.server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined).on('close', () => (seen.isOver = true));
  socket.on('data', (piece) => {
    seen.bytes += piece.length;
    socket.pause();
    setTimeout(() => socket.resume(), 20);
  });
  socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`);
  await until(async () => seen.bytes > 0);
  return seen;
}

test('a download is cut off soon after its token was revoked, long before its end', async () => {
  const token = revocable();
  const scene = await openScene('local disk', { authenticators: [token] });
  await putTree(scene.stores.content, 'd', [directory(''), file('big', FILE_BYTES)]);
  const seen = await readSlowly(scene, '/d/big');
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(seen.isOver).toBe(false);
  token.isRevoked = true;
  await until(async () => seen.isOver);
  expect(seen.bytes).toBeLessThan(FILE_BYTES);
  expect(scene.logged.some((line) => line.includes('"code":"token-revoked"'))).toBe(true);
  token.isRevoked = false;
  expect((await call(scene, 'HEAD', '/d/big', { token: ALICE })).status).toBe(200);
});

test('a download whose token expires goes on for the grace time, and no longer', async () => {
  const scene = await openScene('local disk', { authenticators: [revocable(Date.now() + 3_600_000)] });
  await putTree(scene.stores.content, 'd', [directory(''), file('big', FILE_BYTES)]);
  const seen = await readSlowly(scene, '/d/big');
  scene.clock.aheadMs = 3_600_000 + 5000;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(seen.isOver).toBe(false);
  scene.clock.aheadMs += 6000;
  await until(async () => seen.isOver);
});

test.each(['/.cairn/v1/tree?path=/&recursive=1', '/d/'])(
  'the answer to %s, which waits for a scan, is cut off when its token is revoked',
  async (target) => {
    const token = revocable();
    const going = { isScanning: false, goOn: (): void => undefined };
    const waiting = new Promise<void>((resolve) => (going.goOn = resolve));
    const scene = await openScene('memory', {
      authenticators: [token],
      wrap: (content) =>
        intercept(content, {
          async *scan(...args) {
            going.isScanning = true;
            await waiting;
            yield* content.scan(...args);
          },
        }),
    });
    await putTree(scene.stores.content, 'd', [directory(''), file('small', 10)]);
    const answer = call(scene, 'GET', target, { token: ALICE }).then(
      () => 'answered',
      () => 'cut off',
    );
    await until(async () => going.isScanning);
    token.isRevoked = true;
    expect(await answer).toBe('cut off');
    going.goOn();
  },
);
