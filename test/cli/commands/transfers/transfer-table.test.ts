import { describe, expect, it } from 'vitest';
import type { TransferInfo } from '../../../../src/client/state/transfer-info.ts';
import {
  transferLines,
  transferObject,
  transferTable,
} from '../../../../src/cli/commands/transfers/transfer-table.ts';

const PATHS = ['/data/a', '/data/b\u001b[2J', '/data/c'];
const INFO: TransferInfo = {
  id: 'a'.repeat(32),
  direction: 'push',
  url: 'http://host/x',
  localPaths: PATHS,
  createdAt: '2025-11-23T05:27:11.042Z',
  updatedAt: '2025-11-23T05:28:11.042Z',
  keptUntil: '2025-11-30T05:28:11.042Z',
  bytesTotal: 100,
  bytesSkipped: 2048,
  bytesDone: 50,
  durationMs: 200_000,
  excluded: 0,
  unselected: 0,
  state: 'transferring',
  resumeCommand: ['cairn', 'push', ...PATHS, 'http://host/x'],
  locked: false,
};

it('a transfer shows its time, how far it came, how much was there already, and what it leaves out', () => {
  const [headings, row] = transferTable([INFO]);
  expect(headings).toMatch(/^ID +STATE +TOOK +DONE +SKIPPED +LEFT OUT +UPDATED +/);
  expect(row).toMatch(/^a{8} {2}interrupted {2}3m20s {2}50% of 100 B {2}2\.00 KiB {2}- +2025-/);
  const partial = { ...INFO, excluded: 1234, unselected: 2 };
  expect(transferTable([partial])[1]).toMatch(/ 2\.00 KiB {2}1,234 +2025-/);
  expect(transferLines(partial)).toEqual(
    expect.arrayContaining([
      'left out:   1,234 entries that could not be read, 2 by the selection\n',
      'took:       3m20s so far, all runs together\n',
    ]),
  );
  expect(transferObject(partial)).toMatchObject({ durationMs: 200_000, excluded: 1234, unselected: 2 });
});

it('a transfer that an older cairn began does not show how long it ran', () => {
  const old = { ...INFO, durationMs: null, unselected: null };
  expect(transferTable([old])[1]).toMatch(/^a{8} {2}interrupted {2}- +50%/);
  expect(transferLines(old)).toContain('left out:   0 entries that could not be read\n');
});

describe('transfers of several sources', () => {
  it('a transfer of several sources has the first in its row, and how many more there are', () => {
    const many = Array.from({ length: 1501 }, (_none, index) => `/data/${index}`);
    expect(transferTable([INFO])[1]).toMatch(/ {2}\/data\/a and 2 more {2}http:\/\/host\/x\n$/);
    expect(transferTable([{ ...INFO, localPaths: many }])[1]).toContain('/data/0 and 1,500 more');
    expect(transferTable([{ ...INFO, localPaths: ['/data/a'] }])[1]).toMatch(/ {2}\/data\/a {2}http/);
  });

  it('a transfer shows each of its sources on a line of its own, without terminal controls', () => {
    const lines = transferLines(INFO);
    const at = lines.indexOf('local:      /data/a\n');
    expect(lines.slice(at, at + 4)).toEqual([
      'local:      /data/a\n',
      '            /data/b\\x1b[2J\n',
      '            /data/c\n',
      'state:      interrupted\n',
    ]);
  });

  it('a transfer of several sources has all of them for scripts', () => {
    expect(transferObject(INFO)).toMatchObject({ localPaths: PATHS, local: PATHS.join(', ') });
  });
});

it('a transfer that pulls shows its URL, then its destination', () => {
  const pull: TransferInfo = { ...INFO, direction: 'pull', localPaths: ['/data/copy'] };
  expect(transferTable([pull])[1]).toMatch(/ {2}http:\/\/host\/x {2}\/data\/copy\n$/);
});
