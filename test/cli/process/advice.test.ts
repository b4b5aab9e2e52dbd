import { expect, it } from 'vitest';
import { CairnError, ERROR_TABLE, EXIT, type ErrorCode } from '../../../src/base/errors.ts';
import { adviceFor } from '../../../src/cli/process/advice.ts';

const told = (code: ErrorCode, command: string | undefined): string =>
  adviceFor(new CairnError(code, 'what happened', { details: { isKept: true } }), command).join('\n');

const ends = new Set<number>([EXIT.network, EXIT.integrity, EXIT.takenOver, EXIT.storage, EXIT.sessionGone]);
const codes = (Object.keys(ERROR_TABLE) as ErrorCode[]).filter((code) =>
  ends.has(ERROR_TABLE[code].exitCode),
);
/** Their messages say what to do about the other process. */
const LOCKED = ['transfer-locked', 'state-locked'];

it.each(codes.filter((code) => !LOCKED.includes(code)))(
  'the advice for %s of a push or a pull says what is kept and what to do next',
  (code) => {
    for (const command of ['push', 'pull']) {
      expect(told(code, command)).toMatch(/\bkept\b|stays as it was/);
      expect(told(code, command)).toContain('run the same command again');
    }
  },
);

it('the advice for a lock says that nothing was changed', () => {
  for (const code of LOCKED as ErrorCode[])
    for (const command of ['push', 'serve']) expect(told(code, command)).toContain('nothing was changed');
});

it('the advice for a running push of other sources does not call it the same transfer', () => {
  const details = { pid: 1, isOfOtherSources: true };
  const advice = adviceFor(new CairnError('transfer-locked', 'process 1 pushes', { details }), 'push').join();
  expect(advice).toContain('nothing was changed');
  expect(advice).not.toContain('same transfer');
});

it('the advice for each end of a session has its own way on', () => {
  for (const code of ['session-fenced', 'session-credential'] as const)
    expect(told(code, 'push')).toContain('takes the transfer over');
  for (const code of ['session-not-found', 'session-expired', 'session-aborted'] as const)
    expect(told(code, 'pull')).toContain('start over');
  for (const code of ['digest-mismatch', 'chunk-digest-mismatch'] as const)
    expect(told(code, 'push')).toContain('cairn doctor');
  expect(told('journal-corrupt', 'push')).toContain('cairn serve --check');
});

it('the advice for state of a newer cairn says that it is kept, and may be given up', () => {
  expect(told('journal-version', 'push')).toContain('kept as it was');
  expect(told('journal-version', 'pull')).toContain('cairn transfers rm');
  expect(told('journal-version', 'serve')).toContain('start the server again with the newer cairn');
  expect(told('storage-full', 'serve')).toContain('kept; repair the storage and start the server again');
});

it('a command that moves nothing gets no advice to run it again', () => {
  expect(told('session-not-found', 'sessions')).toBe('');
  for (const command of ['ls', undefined])
    for (const code of ['session-fenced', 'digest-mismatch', 'storage-full'] as const)
      expect(told(code, command)).toBe('');
  const output = new CairnError('storage-io', 'the pipe broke', { details: { isOutput: true } });
  expect(adviceFor(output, 'pull')).toEqual([]);
});

it('no advice says that something is kept if nothing was begun, or a pipe leaves nothing behind', () => {
  for (const code of ['network', 'timeout', 'storage-read-only', 'token-expired'] as const) {
    for (const details of [{ isKept: false }, {}]) {
      const error = new CairnError(code, 'what happened', { details });
      expect(adviceFor(error, 'push').join()).not.toMatch(/kept|resume/);
    }
  }
});
