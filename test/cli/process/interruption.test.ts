import { expect, test } from 'vitest';
import { interruptionLines } from '../../../src/cli/process/interruption.ts';

const resumeCommand = ['cairn', 'push', '/data', 'http://host.example/data'];

test('where nothing was begun, an interrupted transfer says only that', () => {
  expect(interruptionLines({ resumeCommand }, false)).toEqual(['cairn: interrupted']);
  expect(interruptionLines({ resumeCommand, restartAdvice: 'cairn: again' }, false)).toEqual([
    'cairn: interrupted',
  ]);
});

test('where something was begun, it says that a checkpoint is written, and the command that resumes', () => {
  const [stopping, resume] = interruptionLines({ resumeCommand }, true);
  expect(stopping).toContain('writing a checkpoint');
  expect(resume).toMatch(/^cairn: to resume, run: .*push \/data http:\/\/host\.example\/data$/);
});

test('a pipe, of which nothing is kept, speaks of no checkpoint', () => {
  const lines = interruptionLines({ resumeCommand, restartAdvice: 'cairn: run it again' }, true);
  expect(lines).toEqual(['cairn: stopping (once more to stop at once)', 'cairn: run it again']);
});
