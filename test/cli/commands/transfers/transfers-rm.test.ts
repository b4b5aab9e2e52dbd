/** `cairn transfers rm` in this process, over records that are there. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runTransfersRm } from '../../../../src/cli/commands/transfers/run-transfers.ts';
import { transfersDirectory } from '../../../../src/client/state/transfer-folder.ts';
import { given } from '../../support/given.ts';
import { keptPush } from '../../../support/kept-push.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const output = vi.hoisted(() => ({ printed: [] as string[], onPrint: (): void => undefined }));
vi.mock(import('../../../../src/cli/process/output.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  print: (text: string): void => {
    output.printed.push(text);
    output.onPrint();
  },
}));

const AT = '2025-11-23T05:27:11.042Z';
const RECORD = { ...keptPush({ leaseMs: 1000, endsInMs: 1000 }), createdAt: AT, updatedAt: AT };
const IDS = ['a', 'b', 'c'].map((letter) => letter.repeat(32));

let directory: string;
beforeEach(() => {
  const home = temporaryDirectory();
  vi.stubEnv('CAIRN_STATE_HOME', home);
  directory = transfersDirectory(home);
  for (const id of IDS) {
    mkdirSync(path.join(directory, id), { recursive: true, mode: 0o700 });
    writeFileSync(path.join(directory, id, 'transfer.json'), JSON.stringify(RECORD), { mode: 0o600 });
  }
  output.printed = [];
  output.onPrint = () => undefined;
});
afterEach(() => void vi.unstubAllEnvs());

test('cairn transfers rm prints a line for scripts for each transfer that it removes', async () => {
  expect(await runTransfersRm(IDS.slice(0, 2), await given('transfers rm', { json: true }))).toBe(0);
  expect(output.printed.map((line) => JSON.parse(line) as unknown)).toEqual([
    { type: 'removed', id: IDS[0] },
    { type: 'removed', id: IDS[1] },
    { type: 'summary', transfers: 2, code: 'ok', exitCode: 0 },
  ]);
  expect(readdirSync(directory)).toEqual([IDS[2]]);
});

test('a signal ends cairn transfers rm before the next transfer', async () => {
  output.onPrint = () => void process.emit('SIGINT', 'SIGINT');
  await expect(runTransfersRm([], await given('transfers rm', { all: true }))).rejects.toMatchObject({
    code: 'interrupted',
  });
  expect(readdirSync(directory)).toHaveLength(IDS.length - 1);
});
