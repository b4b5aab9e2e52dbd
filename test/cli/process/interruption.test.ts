import { expect, test } from 'vitest';
import { interruptionLines } from '../../../src/cli/process/interruption.ts';

const resumeCommand = ['cairn', 'push', '/data', 'http://host.example/data'];

test('an interrupted transfer says only that if nothing was begun', () => {
  expect(interruptionLines({ resumeCommand }, false)).toEqual(['cairn: interrupted']);
  expect(interruptionLines({ resumeCommand, restartAdvice: 'cairn: again' }, false)).toEqual([
    'cairn: interrupted',
  ]);
});

test('an interrupted transfer names the checkpoint and the command that resumes if something was begun', () => {
  const [stopping, resume] = interruptionLines({ resumeCommand }, true);
  expect(stopping).toContain('writing a checkpoint');
  expect(resume).toMatch(/^cairn: to resume, run: .*push \/data http:\/\/host\.example\/data$/);
});

test('an interrupted transfer of a pipe speaks of no checkpoint', () => {
  const lines = interruptionLines({ resumeCommand, restartAdvice: 'cairn: run it again' }, true);
  expect(lines).toEqual(['cairn: stopping (once more to stop at once)', 'cairn: run it again']);
});
