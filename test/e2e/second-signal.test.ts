import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { TransferRecord } from '../../src/client/record/transfer-record.ts';
import { startCairn } from '../support/cli.ts';
import { interruptPush } from '../support/interrupted-push.ts';

/** From here on whoever reads this file waits in the thread pool, as for a disk that hangs. */
function hang(file: string): void {
  rmSync(file);
  const made = spawnSync('mkfifo', [file]);
  if (made.status !== 0) throw new Error(`mkfifo failed: ${made.stderr.toString()}`);
}

/** Resolves when a reader waits at a FIFO, which then waits for what is never written. */
async function openForWriting(fifo: string): Promise<number> {
  for (;;) {
    try {
      return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await sleep(20);
    }
  }
}

test('a second signal ends a process at once, also while its disk hangs', async () => {
  const { server, environment } = await interruptPush();
  await server.start();
  const transfers = path.join(environment.stateHome, 'transfers');
  const [key = ''] = readdirSync(transfers);
  const record = JSON.parse(
    readFileSync(path.join(transfers, key, 'transfer.json'), 'utf8'),
  ) as TransferRecord;
  hang(path.join(transfers, key, 'transfer.json'));
  const run = startCairn(record.resumeCommand.slice(1), environment);
  let told = '';
  run.child.stderr!.on('data', (bytes: Buffer) => (told += bytes.toString()));
  const writer = await openForWriting(path.join(transfers, key, 'transfer.json'));
  onTestFinished(() => closeSync(writer));
  run.child.kill('SIGTERM');
  while (!told.includes('once more')) await sleep(20);
  run.child.kill('SIGTERM');
  // What a shell calls 143.
  expect(await run.result).toMatchObject({ exitCode: null, signal: 'SIGTERM' });
});
