/** A push that takes longer than any of its access tokens lives. `CAIRN_TOKENS=full` pushes 1 GiB with 5 s tokens. */
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const IS_FULL = process.env['CAIRN_TOKENS'] === 'full';
const SIZE = IS_FULL ? 1024 * MIB : 24 * MIB;
const RATE = IS_FULL ? 40 * MIB : 3 * MIB;
/** A process that starts on a busy machine takes seconds, in which its token must not end. */
const LIFE_SECONDS = IS_FULL ? 5 : 4;
const FULL_LIMIT_MS = 180_000;

/** Keeps a token in a file that is replaced before, or some time after, it has expired. */
function rotateTokens(server: DiskServer, options: { everyMs: number }): { file: string; stop(): void } {
  const file = path.join(temporaryDirectory(), 'token');
  const life = { isOver: false };
  const environment = { stateHome: temporaryDirectory() };
  const issue = async (number: number): Promise<void> => {
    const words = ['--root', server.root, '--owner', 'backup', '--expires', `${LIFE_SECONDS}s`];
    const made = await cairn(['token', 'create', `short-${number}`, ...words], environment);
    if (life.isOver) return;
    expect(made, made.stderr).toMatchObject({ exitCode: 0 });
    writeFileSync(`${file}.new`, made.stdout, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  void (async () => {
    for (let number = 1; !life.isOver; number += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one token after the other
      await issue(number).then(() => sleep(options.everyMs));
    }
  })();
  onTestFinished(() => void (life.isOver = true));
  return { file, stop: () => void (life.isOver = true) };
}

test.each([
  ['in time', 0.5],
  ['only after the one before has expired', 1.7],
])(
  'a push whose tokens are replaced %s ends well, and sends nothing twice beyond what was in flight',
  async (_when, lives) => {
    const server = await startDiskServer();
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: RATE });
    onTestFinished(() => proxy.close());
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, SIZE);
    const tokens = rotateTokens(server, { everyMs: LIFE_SECONDS * lives * 1000 });
    await expect.poll(() => digestOf(tokens.file), { timeout: 120_000 }).toBeTruthy();
    const url = `http://127.0.0.1:${proxy.port}/file`;
    const words = ['push', '--json', '--token-file', tokens.file, source, url];
    const { exitCode, stderr, last } = await startCairn(words, { stateHome: temporaryDirectory() }).result;
    tokens.stop();
    expect(exitCode, stderr).toBe(0);
    expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
    console.log(
      `tokens of ${LIFE_SECONDS} s, replaced ${_when}: ${proxy.bytesUp} bytes went up for ${SIZE}, ` +
        `${(proxy.bytesUp / SIZE).toFixed(4)} x, in ${Number(last['durationMs'])} ms with ${Number(last['resumes'])} resumes`,
    );
    expect(proxy.bytesUp).toBeLessThan(SIZE * 1.02);
    expect(server.log()).not.toContain('"level":50');
  },
  IS_FULL ? FULL_LIMIT_MS : 60_000,
);
