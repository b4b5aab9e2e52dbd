import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeHeader, HEADER_BYTES, readJournal } from '../../../src/checkpoint/journal-format.ts';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkToldError } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { checkFinished, startOver, stopPush, type StoppedPush } from './stopped.ts';

const RUNS = { sample: 2, full: 440, until: 'resumed KiB' };

/** A way to damage one of the journals. */
interface Harm {
  readonly side: 'server' | 'client';
  readonly kind: 'cut' | 'bit';
  /** In [0, 1): how far into the file. */
  readonly depth: number;
  readonly bit: number;
}

/**
 * One seed after the other has each side cut and each side's bits flipped; in a full run at places spread evenly over the
 * file. Every cut and every bit are in test/storage/local-disk-journals.slow.test.ts, without the processes.
 */
function harmOf(seed: number, random: () => number): Harm {
  const index = seed - 1;
  const round = Math.floor(index / 4);
  return {
    side: index % 2 === 0 ? 'server' : 'client',
    kind: Math.floor(index / 2) % 2 === 0 ? 'cut' : 'bit',
    depth: IS_FULL ? (round / (RUNS.full / 4)) % 1 : random(),
    bit: round % 8,
  };
}

/** Damages a file; answers what was done. */
function damage(file: string, { kind, depth, bit }: Harm): string {
  const bytes = readFileSync(file);
  const at = Math.floor(depth * bytes.length);
  if (kind === 'cut') {
    truncateSync(file, at);
    return `cut to ${at} of ${bytes.length} bytes`;
  }
  bytes[at]! ^= 1 << bit;
  writeFileSync(file, bytes);
  return `bit ${bit} of byte ${at} of ${bytes.length}`;
}

test('a journal that was cut or has a wrong bit counts as far as it is right, and the push finishes', async () => {
  const push = await stopPush();
  const name = 'push: a journal is cut, or has a wrong bit';
  const report = await campaign('disk', name, RUNS, async (given) => {
    const harm = harmOf(given.seed, given.random);
    const { side } = harm;
    const journal = side === 'server' ? push.journal : push.clientJournal;
    const what = damage(journal, harm);
    given.injected();
    const { corruptAt } = readJournal(readFileSync(journal));
    const logBefore = push.server.log().length;
    const result = await push.finish();
    try {
      await checkFinished(push, result);
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

test('a push refuses a journal or record that a newer cairn wrote, and leaves it as it is', async () => {
  const push = await stopPush();
  const name = 'push: a journal or record is of a newer version';
  await campaign('disk', name, { sample: 2, full: 9 }, async (given) => {
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
  await checkFinished(push, await push.finish());
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
  await checkFinished(push, await push.finish());
});
