import { describe, expect, it } from 'vitest';
import { CairnError, ERROR_TABLE, EXIT, type ErrorCode } from '../../src/base/errors.ts';
import { exitCodeOf, jsonLinesOf, textLinesOf } from '../../src/cli/commands/verify/run-verify.ts';
import { errorObject, failureOf } from '../../src/cli/process/failure.ts';
import { entryLine, entryObject, modeText } from '../../src/cli/commands/ls/run-ls.ts';
import { argumentsOf } from '../../src/cli/commands/transfers/resume-all.ts';
import { childExitCode, GENERAL, worstOf } from '../../src/cli/process/child-exit.ts';
import { absolutePath, shownCommand } from '../../src/cli/process/own-command.ts';
import type { Entry } from '../../src/manifest/entry.ts';

describe('failures', () => {
  it.each(Object.keys(ERROR_TABLE) as ErrorCode[])(
    'a failure with the code %s has the exit code of the table',
    (code) => {
      expect(failureOf(new CairnError(code, 'what happened')).exitCode).toBe(ERROR_TABLE[code].exitCode);
    },
  );

  it('an unforeseen failure is a bug: exit 1, with the stack and a plea', () => {
    for (const error of [
      new TypeError('x is not a function'),
      new CairnError('internal', 'cannot be'),
      'a string',
    ]) {
      const failure = failureOf(error);
      expect(failure).toMatchObject({ code: 'internal', exitCode: 1 });
      expect(failure.lines.join('\n')).toContain('please report');
    }
    const cause = new Error('the cause');
    expect(failureOf(new Error('outer', { cause })).lines.join('\n')).toContain('the cause');
    expect(failureOf(new TypeError('boom')).lines.join('\n')).toContain('results.test.ts');
  });

  it('a failure cannot move the cursor', () => {
    const { lines } = failureOf(new CairnError('not-found', 'no \u001b[2Jsuch\nfile'));
    expect(lines).toEqual([String.raw`no \x1b[2Jsuch`, 'file']);
  });

  it('a failure says how to give a token, and that a transfer can be resumed', () => {
    const advice = failureOf(new CairnError('unauthenticated', 'no'), 'ls').lines.join('\n');
    for (const way of ['--token-file', 'CAIRN_TOKEN', 'same user']) expect(advice).toContain(way);
    const full = new CairnError('storage-full', 'the disk is full', { details: { isKept: true } });
    expect(failureOf(full, 'push').lines.at(-1)).toContain('resume');
    expect(failureOf(full, 'ls').lines).toEqual(['the disk is full']);
  });

  it('a failure is one object for scripts', () => {
    const failure = failureOf(new CairnError('storage-full', 'the disk is full'));
    expect(errorObject(failure)).toEqual({
      type: 'error',
      code: 'storage-full',
      message: 'the disk is full',
      exitCode: 9,
    });
  });
});

describe('listings', () => {
  const entry: Entry = {
    type: 'file',
    path: 'a\nb',
    sizeBytes: 12,
    mode: 0o644,
    mtimeNs: 1_700_000_000_123_456_789n,
    linkTarget: '',
  };

  it('a listing looks like that of ls -l', () => {
    expect(entryLine(entry, { ownName: 'x' })).toMatch(
      /^-rw-r--r--\s+12 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d a\\x0ab$/,
    );
    expect(entryLine({ ...entry, type: 'symlink', path: 'l', linkTarget: '../x' }, { ownName: 'x' })).toMatch(
      /^lrwxrwxrwx .* l -> \.\.\/x$/,
    );
    expect(entryLine({ ...entry, type: 'directory', path: '', mode: 0o755 }, { ownName: 'x' })).toMatch(
      /^drwxr-xr-x .* \.$/,
    );
    expect(entryLine({ ...entry, path: '' }, { ownName: 'own\tname' })).toMatch(/ own\\x09name$/);
    expect(entryLine({ ...entry, mtimeNs: 2n ** 62n }, { ownName: 'x' })).toContain('2116');
  });

  it('a listing shows special bits as ls does', () => {
    expect(modeText('directory', 0o7755)).toBe('drwsr-sr-t');
    expect(modeText('directory', 0o1700)).toBe('drwx-----T');
  });

  it('a listing is exact for scripts', () => {
    expect(entryObject(entry)).toEqual({
      type: 'entry',
      path: 'a\nb',
      kind: 'file',
      sizeBytes: 12,
      mode: '0644',
      mtimeNs: '1700000000123456789',
    });
  });
});

describe('comparisons', () => {
  const same = { equal: 3, differing: [], bytes: 10, unselected: 0 };
  const touched = {
    ...same,
    differing: [
      { path: 'a', why: 'mtime' },
      { path: 'b', why: 'mode' },
    ],
  };
  const broken = { ...same, differing: [{ path: 'a', why: 'content' }] };

  it('a comparison fails for anything but modes and times', () => {
    expect([same, touched, broken].map(exitCodeOf)).toEqual([0, 0, 7]);
  });

  it('a comparison is partial if the only fault is that something could not be read', () => {
    const unread = { ...touched, differing: [...touched.differing, { path: 'c', why: 'unreadable' }] };
    const both = { ...unread, differing: [...unread.differing, ...broken.differing] };
    expect([unread, both].map(exitCodeOf)).toEqual([3, 7]);
    expect(textLinesOf(unread).at(-1)).toContain(
      ': 1 entry not compared, 2 entries differing in mode or time alone',
    );
    expect(textLinesOf(both).at(-1)).toContain(
      ': 1 entry differing, 1 entry not compared, 1 entry differing in mode',
    );
    expect(jsonLinesOf(unread, 3).at(-1)).toContain('"code":"partial"');
    expect(textLinesOf(same).at(-1)).toContain('all equal');
  });

  it('a comparison names each difference', () => {
    expect(textLinesOf(broken)).toEqual([
      'differs: a: the content differs\n',
      '3 entries equal, 10 B compared: 1 entry differing\n',
    ]);
    const twice = [
      { path: 'a', why: 'size' },
      { path: 'a', why: 'mtime' },
    ];
    expect(textLinesOf({ ...same, differing: twice }).at(-1)).toContain('1 entry differing');
    expect(jsonLinesOf(broken, 7).map((line) => JSON.parse(line) as unknown)).toEqual([
      { type: 'difference', path: 'a', why: 'content' },
      {
        type: 'summary',
        equal: 3,
        differing: 1,
        bytes: 10,
        unselected: 0,
        code: 'verify-failed',
        exitCode: 7,
      },
    ]);
  });
});

describe('resuming everything', () => {
  it('resuming everything ends with the worst exit code', () => {
    expect(worstOf([])).toBe(0);
    expect(worstOf([0, 3, 0])).toBe(3);
    expect(worstOf([3, 1])).toBe(1);
    expect(worstOf([3, 5, 9, 0])).toBe(9);
    expect(worstOf([9, 130])).toBe(130);
  });

  it('every exit code that means failure has a code of the error table', () => {
    for (const exitCode of Object.values(EXIT).filter((code) => code !== EXIT.done)) {
      expect(ERROR_TABLE[GENERAL[exitCode] as ErrorCode].exitCode).toBe(exitCode);
    }
    expect(GENERAL[EXIT.done]).toBe('ok');
  });

  it('a client that a signal ended counts as interrupted, and one without another reason as a bug', () => {
    expect([childExitCode(5, null), childExitCode(0, null)]).toEqual([5, 0]);
    expect([childExitCode(null, 'SIGINT'), childExitCode(null, 'SIGTERM')]).toEqual([130, 143]);
    expect([childExitCode(null, 'SIGHUP'), childExitCode(null, 'SIGSEGV')]).toEqual([143, 1]);
    expect(childExitCode(77, null)).toBe(1);
  });

  it('a resumed command is repeated, and shown as this run wants it', () => {
    expect(argumentsOf(['cairn', 'push', '--parallel', '2', 'a', 'u'], { json: true, quiet: false })).toEqual(
      ['push', '--json', '--parallel', '2', 'a', 'u'],
    );
  });

  it('a command is shown as this process was started', () => {
    expect(shownCommand(['cairn', 'push', 'a b'], ['node', '/usr/bin/cairn'])).toBe("cairn push 'a b'");
    expect(shownCommand(['cairn', 'push', 'a'], ['node', '/x/bin/cairn.js'])).toBe(
      'node /x/bin/cairn.js push a',
    );
    expect(absolutePath('/a/b/')).toBe('/a/b/');
    expect(absolutePath('/')).toBe('/');
  });
});
