import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { replayCommand } from './faults/support/replay.ts';

/** What a shell gives to the program in the command that runs a test with its seed again. */
function wordsOf(command: string): string[] {
  const printed = command.replace(
    'npm run test:faults --',
    `printf '%s\\n' "$CAIRN_FAULTS" "$CAIRN_FAULT_SEED"`,
  );
  const [variables, rest] = [
    printed.slice(0, printed.indexOf('printf')),
    printed.slice(printed.indexOf('printf')),
  ];
  const { stdout } = spawnSync('sh', ['-c', `${variables.trim().replaceAll(' ', ';')}; ${rest}`]);
  return stdout.toString().trimEnd().split('\n');
}

describe('the command that a failure prints', () => {
  const title = "a $side that's killed (sync group) at [1/2] + more > what?";

  test(title, () => {
    const { currentTestName: testName = '', testPath: file = '' } = expect.getState();
    const words = wordsOf(replayCommand({ file, testName, isFull: true, seed: 17 }));
    expect(words.slice(0, 4)).toEqual(['full', '17', path.relative(process.cwd(), file), '-t']);
    const pattern = new RegExp(words[4]!);
    // What vitest compares a pattern with.
    expect(`the command that a failure prints ${title}`).toMatch(pattern);
    expect(`the command that a failure prints ${title} `).not.toMatch(pattern);
    expect(`the command that a failure prints, ${title}`).not.toMatch(pattern);
  });

  test('runs no more than a sample does where that has shown it', () => {
    expect(replayCommand({ file: 'f', testName: 't', isFull: false, seed: 3 })).toMatch(
      /^CAIRN_FAULT_SEED=3 /,
    );
  });
});
