import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeHeader, HEADER_BYTES, readJournal } from '../../../src/checkpoint/journal-format.ts';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkToldError } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { checkFinished, startOver, stopPush, type StoppedPush } from './stopped.ts';

/** Damages a file; answers what was done. */
function damage(file: string, seed: number, random: () => number): string {
  const bytes = readFileSync(file);
  // In full: each byte of the first journal, then each bit, at random beyond.
  const at = IS_FULL ? seed % bytes.length : Math.floor(random() * bytes.length);
  if (seed % 2 === 0) {
    truncateSync(file, at);
    return `cut to ${at} of ${bytes.length} bytes`;
  }
  const bit = Math.floor(random() * 8);
  bytes[at]! ^= 1 << bit;
  writeFileSync(file, bytes);
  return `bit ${bit} of byte ${at} of ${bytes.length}`;
}

function journalOf(push: StoppedPush, side: 'server' | 'client'): string {
  return side === 'server' ? push.journal : push.clientJournal;
}

test('a journal that was cut or has a wrong bit counts as far as it is right, and the push finishes', async () => {
  const push = await stopPush();
  const name = 'push: a journal is cut, or has a wrong bit';
  const report = await campaign('disk', name, { sample: 4, full: 440 }, async (given) => {
    const side = Math.floor(given.seed / 2) % 2 === 0 ? 'server' : 'client';
    const journal = journalOf(push, side);
    const what = damage(journal, given.seed, given.random);
    given.injected();
    const { corruptAt } = readJournal(readFileSync(journal));
    const logBefore = push.server.log().length;
    const result = await push.finish();
    try {
      checkFinished(push, result);
      const isTold = push.server.log().slice(logBefore).includes('journal-damaged');
      if (side === 'server' && isTold !== (corruptAt !== undefined))
        throw new Violation('unclear', isTold ? 'a torn end is called damage' : 'damage was not told');
      given.add(`damage before the end (${side})`, corruptAt === undefined ? 0 : 1);
      given.add('resumed KiB', Number(result.last['bytesResumed']) / 1024);
    } catch (error) {
      throw new Error(`${side}, ${what}: ${String(error)}`, { cause: error });
    } finally {
      await push.server.stop();
      push.restore();
    }
  });
  checkTotals(() => expect(report.figures['resumed KiB']).toBeGreaterThan(0));
});

/** What a newer cairn may have left: in each case the bytes of its file. */
const NEWER: readonly ((push: StoppedPush, version: number) => readonly [file: string, bytes: Buffer])[] = [
  (push, version) => [push.journal, withVersion(push.journal, version)],
  (push, version) => [push.clientJournal, withVersion(push.clientJournal, version)],
  (push, version) => {
    const record = JSON.parse(readFileSync(push.clientRecord, 'utf8')) as object;
    return [push.clientRecord, Buffer.from(JSON.stringify({ ...record, version, more: 'than we know' }))];
  },
];

function withVersion(journal: string, version: number): Buffer {
  const bytes = readFileSync(journal);
  encodeHeader(version).copy(bytes, 0, 0, HEADER_BYTES);
  return bytes;
}

test('a journal or record that a newer cairn wrote is refused and stays as it is', async () => {
  const push = await stopPush();
  const name = 'push: a journal or record is of a newer version';
  await campaign('disk', name, { sample: 3, full: 9 }, async (given) => {
    const [file, bytes] = NEWER[given.seed % NEWER.length]!(push, 1 + given.seed);
    writeFileSync(file, bytes);
    given.injected();
    const result = await push.finish();
    await push.server.stop();
    checkToldError(result, [2]);
    expect(result.last['code']).toBe('journal-version');
    if (!readFileSync(file).equals(bytes)) throw new Violation('lost', `"${file}" was changed`);
    push.restore();
  });
  checkFinished(push, await push.finish());
});

test('a server refuses a session record that a newer cairn wrote, and leaves it as it is', async () => {
  const push = await stopPush();
  const name = 'server: a session record is of a newer version';
  await campaign('disk', name, { sample: 1, full: 3 }, async (given) => {
    const record = JSON.parse(readFileSync(push.record, 'utf8')) as object;
    const text = JSON.stringify({ ...record, format: 1 + given.seed, state: 'of a kind to come' });
    writeFileSync(push.record, text);
    given.injected();
    const outcome = await startOver(push);
    if (outcome === 'serves') throw new Violation('unclear', 'it serves what it does not understand');
    checkToldError(outcome, [2]);
    expect(readFileSync(push.record, 'utf8')).toBe(text);
    push.restore();
  });
  checkFinished(push, await push.finish());
});
