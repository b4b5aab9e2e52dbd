/** The outer edge of a process, in this one. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { runProcess } from '../../../src/cli/process/edge.ts';

test('a command that waits for what cannot come ends with 1, and not with 0', () => {
  const before = process.listeners('uncaughtException');
  const codes: unknown[] = [];
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    codes.push(code);
    return undefined as never;
  });
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => {
    vi.restoreAllMocks();
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  });
  void runProcess(() => new Promise(() => undefined));
  process.emit('beforeExit', 0);
  expect(codes).toEqual([1]);
  expect(said.mock.calls.join('')).toContain('this is a bug in cairn');
});
