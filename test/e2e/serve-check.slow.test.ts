import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeHeader, HEADER_BYTES } from '../../src/checkpoint/journal-format.ts';
import { cairn, type CliResult } from '../support/cli.ts';
import { interruptPush, type InterruptedPush } from '../support/interrupted-push.ts';
import { obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory } from '../support/trees.ts';

const CHUNK_BYTES = 64 * 1024;
/** What no output may hand to a terminal. */
const HOSTILE = /\p{Cc}(?<!\n)|\u202e/u;

function check(root: string, ...more: string[]): Promise<CliResult> {
  const words = ['serve', '--check', '--root', root, '--json', ...more];
  return cairn(words, { stateHome: temporaryDirectory() });
}

/** Everything that a server keeps, byte for byte; less its lease and its lock, which a check takes, too. */
function stateOf(root: string): Record<string, string> {
  const files = readdirSync(path.join(root, '.cairn'), { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    files
      .filter((file) => file.isFile() && file.name !== 'lease' && !file.name.startsWith('lock'))
      .map((file) => path.join(file.parentPath, file.name))
      .toSorted()
      .map((file) => [file, readFileSync(file, 'latin1')]),
  );
}

function kindsOf({ lines }: CliResult): unknown[] {
  return lines.filter(({ type }) => type === 'finding').map(({ kind }) => kind);
}

function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0x40;
  writeFileSync(file, bytes);
}

/** Where the second record of a journal begins. */
function endOfBinding(journal: string): number {
  const payloadBytes = readFileSync(journal).readUInt32BE(HEADER_BYTES + 4);
  return HEADER_BYTES + 17 + payloadBytes;
}

function changeRecord({ record }: InterruptedPush, changes: object): void {
  writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), ...changes }));
}

interface Damage {
  readonly what: string;
  readonly harm: (it: InterruptedPush) => void;
  readonly kinds: readonly string[];
  /** Whether the session goes on afterwards. */
  readonly goesOn: boolean;
  readonly exitCode: 0 | 7;
}

const inStaging =
  (name: string, harm: (file: string) => void) =>
  (it: InterruptedPush): void =>
    harm(path.join(it.staging, name));

const REPAIRED = { goesOn: true, exitCode: 0 } as const;
const LOST = { goesOn: false, exitCode: 7 } as const;
const FREED = { goesOn: false, exitCode: 0 } as const;

const DAMAGES: readonly Damage[] = [
  {
    what: 'a journal whose last write was cut',
    harm: inStaging('journal', (file) => appendFileSync(file, Buffer.alloc(17, 0xca))),
    kinds: ['journal-torn'],
    ...REPAIRED,
  },
  {
    what: 'a journal that was damaged in the middle',
    harm: inStaging('journal', (file) => flipByte(file, endOfBinding(file) + 20)),
    kinds: ['journal-damaged'],
    ...REPAIRED,
  },
  {
    what: 'a journal that is none',
    harm: inStaging('journal', (file) => writeFileSync(file, 'this is no journal at all')),
    kinds: ['journal-damaged'],
    ...REPAIRED,
  },
  {
    what: 'a journal that is gone',
    harm: inStaging('journal', (file) => unlinkSync(file)),
    kinds: ['journal-missing'],
    ...REPAIRED,
  },
  {
    what: 'staged bytes that are not those of the journal',
    harm: inStaging('e0', (file) => flipByte(file, 10)),
    kinds: ['chunks-wrong'],
    ...REPAIRED,
  },
  {
    what: 'staged bytes that are gone',
    harm: inStaging('e0', (file) => truncateSync(file, CHUNK_BYTES + 5)),
    kinds: ['chunks-short'],
    ...REPAIRED,
  },
  {
    what: 'a staged file that is gone',
    harm: inStaging('e0', (file) => unlinkSync(file)),
    kinds: ['chunks-short'],
    ...REPAIRED,
  },
  {
    what: 'staged files that belong to no chunk',
    harm: (it) => {
      for (const name of ['e7', 'c99999', 'd3', 'plan-00ff.tmp', 'stranger'])
        writeFileSync(path.join(it.staging, name), 'x');
    },
    kinds: Array(5).fill('stray-file'),
    ...REPAIRED,
  },
  {
    what: 'what a cut write left beside the records',
    harm: ({ record }) => writeFileSync(path.join(path.dirname(record), '.cairn-00ff.tmp'), '{'),
    kinds: ['temporary-file'],
    ...REPAIRED,
  },
  {
    what: 'a record that cannot be read',
    harm: ({ record }) => truncateSync(record, 40),
    kinds: ['record-unreadable', 'staging-orphaned'],
    ...FREED,
  },
  {
    what: 'a staging area without a record',
    harm: ({ record }) => unlinkSync(record),
    kinds: ['staging-orphaned'],
    ...FREED,
  },
  {
    what: 'a session whose lease is over',
    harm: (it) => changeRecord(it, { leaseExpiresAtMs: 1 }),
    kinds: ['lease-over'],
    ...FREED,
  },
  {
    what: 'something staged of a session that was aborted',
    harm: (it) => changeRecord(it, { state: 'aborted' }),
    kinds: ['session-ended'],
    ...FREED,
  },
  {
    what: 'a staging area that is gone',
    harm: ({ staging }) => rmSync(staging, { recursive: true }),
    kinds: ['staging-missing'],
    ...LOST,
  },
  {
    what: 'a manifest that is gone',
    harm: inStaging('manifest', (file) => unlinkSync(file)),
    kinds: ['manifest-missing'],
    ...LOST,
  },
  {
    what: 'a manifest that was cut',
    harm: inStaging('manifest', (file) => truncateSync(file, 60)),
    kinds: ['manifest-unreadable'],
    ...LOST,
  },
  {
    what: 'a manifest of another transfer',
    harm: (it) => changeRecord(it, { manifestId: 'ab'.repeat(32) }),
    kinds: ['manifest-foreign'],
    ...LOST,
  },
  {
    what: 'a plan that is gone',
    harm: inStaging('plan', (file) => unlinkSync(file)),
    kinds: ['plan-missing'],
    ...LOST,
  },
  {
    what: 'a plan that cannot be read',
    harm: inStaging('plan', (file) => writeFileSync(file, '{"have":[5')),
    kinds: ['plan-unreadable'],
    ...LOST,
  },
];

describe('cairn serve --check', () => {
  test.each(DAMAGES)(
    'cairn serve --check finds and repairs $what',
    async ({ harm, kinds, goesOn, exitCode }) => {
      const it = await interruptPush();
      harm(it);
      const before = stateOf(it.root);
      const looked = await check(it.root, '--dry-run');
      expect(kindsOf(looked), looked.stderr).toEqual(kinds);
      expect(looked).toMatchObject({ exitCode, last: { type: 'summary', dryRun: true, exitCode } });
      expect(stateOf(it.root)).toEqual(before);
      const repaired = await check(it.root);
      expect(kindsOf(repaired)).toEqual(kinds);
      expect(repaired).toMatchObject({ exitCode, last: { type: 'summary', dryRun: false, exitCode } });
      const again = await check(it.root);
      expect(kindsOf(again)).toEqual([]);
      expect(again).toMatchObject({ exitCode: 0, last: { repaired: 0, notRepairable: 0, code: 'ok' } });
      const finished = await it.finish();
      expect(finished, finished.stderr).toMatchObject({ exitCode: 0 });
      expect(digestOf(path.join(it.root, 'file'))).toBe(digestOf(it.source));
      // Where all of it had to be withdrawn, the session goes on all the same.
      if (!goesOn) expect(finished.last['bytesResumed']).toBe(0);
      else expect(finished.stderr).not.toContain('starts over');
    },
  );

  test('cairn serve --check finds nothing where all is well, and says how much it has checked', async () => {
    const it = await interruptPush();
    const result = await check(it.root);
    expect(result.lines).toHaveLength(1);
    const { sessions, chunksVerified, bytesVerified, exitCode } = result.last;
    expect([sessions, exitCode]).toEqual([1, 0]);
    expect(bytesVerified).toBe(Number(chunksVerified) * CHUNK_BYTES);
    const finished = await it.finish();
    expect(finished.last['bytesResumed']).toBeGreaterThanOrEqual(Number(bytesVerified));
  });

  test('cairn serve --check leaves a journal of a newer cairn alone, and says so', async () => {
    const it = await interruptPush();
    const journal = path.join(it.staging, 'journal');
    writeFileSync(journal, encodeHeader(2));
    const stray = path.join(it.staging, 'x1');
    writeFileSync(stray, 'of a newer version');
    const before = stateOf(it.root);
    const result = await check(it.root);
    expect(kindsOf(result)).toEqual(['journal-newer']);
    expect(result).toMatchObject({ exitCode: 7, last: { notRepairable: 1 } });
    expect(stateOf(it.root)).toEqual(before);
  });

  test('cairn serve --check removes a journal of another transfer', async () => {
    const it = await interruptPush();
    const other = await interruptPush();
    copyFileSync(path.join(other.staging, 'journal'), path.join(it.staging, 'journal'));
    expect(kindsOf(await check(it.root, '--dry-run'))).toEqual(['journal-foreign']);
    expect(await check(it.root)).toMatchObject({ exitCode: 0 });
    expect(kindsOf(await check(it.root))).toEqual([]);
    expect(await it.finish()).toMatchObject({ exitCode: 0 });
    expect(digestOf(path.join(it.root, 'file'))).toBe(digestOf(it.source));
  });

  test('cairn serve --check shows names from clients without control characters', async () => {
    const it = await interruptPush();
    changeRecord(it, { target: 'a\u001b[31mb\u202ec' });
    unlinkSync(path.join(it.staging, 'manifest'));
    const words = ['serve', '--check', '--root', it.root];
    const result = await cairn(words, { stateHome: temporaryDirectory() });
    expect(result.exitCode).toBe(7);
    expect(result.stdout.toString()).toMatch(
      /^not repairable: session \S+ of .*: its manifest is gone: ended.*\n1 session, /,
    );
    expect(result.stdout.toString()).not.toMatch(HOSTILE);
    expect((await check(it.root)).stdout.toString()).not.toMatch(HOSTILE);
  });

  test('cairn serve --check refuses to work beside a running server', async () => {
    const server = await startDiskServer();
    expect(await check(server.root)).toMatchObject({ exitCode: 8, last: { code: 'state-locked' } });
    expect(await check(server.root, '--dry-run')).toMatchObject({ exitCode: 8 });
  });

  test('cairn serve --check frees nothing where the records are somewhere else', async () => {
    const it = await interruptPush();
    const state = temporaryDirectory();
    renameSync(path.dirname(it.record), path.join(state, 'sessions'));
    expect(await check(it.root)).toMatchObject({ exitCode: 2, last: { code: 'config-invalid' } });
    expect(existsSync(it.staging)).toBe(true);
    expect(await check(it.root, '--state', state)).toMatchObject({ exitCode: 0, last: { sessions: 1 } });
  });

  test.skipIf(obeyingPermissions === undefined)(
    'cairn serve --check names the sessions that the storage does not let it check, and ends with 9',
    async () => {
      const it = await interruptPush();
      chmodSync(path.join(it.staging, 'plan'), 0);
      const before = stateOf(it.root);
      const words = ['serve', '--check', '--root', it.root, '--json'];
      const environment = { stateHome: temporaryDirectory(), before: obeyingPermissions! };
      const result = await cairn(words, environment);
      expect(kindsOf(result)).toEqual(['not-checked']);
      expect(result).toMatchObject({ exitCode: 9, last: { code: 'storage-denied', failed: 1 } });
      expect(stateOf(it.root)).toEqual(before);
    },
  );

  test('cairn serve takes --dry-run only with --check', async () => {
    const words = ['serve', '--dry-run', '--root', temporaryDirectory()];
    const result = await cairn(words, { stateHome: temporaryDirectory() });
    expect(result.exitCode).toBe(2);
  });
});
