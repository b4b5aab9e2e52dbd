import { describe, expect, test } from 'vitest';
import { parseModeChange } from '../../../src/cli/options/mode-change.ts';

const change = (...words: string[]) => parseModeChange('--chmod', words, 0o022);

describe('--chmod', () => {
  test.each([
    ['D755,F644', 0o700, 0o755, 0o777, 0o644],
    ['Du=rwx,Dgo=rx,Fu=rw,Fgo=r', 0o2770, 0o2755, 0o777, 0o644],
    ['g+w', 0o755, 0o775, 0o644, 0o664],
    ['o-rwx', 0o755, 0o750, 0o644, 0o640],
    ['ug=rwX,o=', 0o700, 0o770, 0o600, 0o660],
    ['a+X', 0o600, 0o711, 0o600, 0o600],
    ['+w', 0o500, 0o700, 0o400, 0o600],
    ['a+w', 0o500, 0o722, 0o400, 0o622],
    ['=rw', 0o711, 0o644, 0o711, 0o644],
    ['Dg+s,+t', 0o755, 0o3755, 0o644, 0o1644],
    ['u+s', 0o755, 0o4755, 0o644, 0o4644],
    ['g-s,-t', 0o3755, 0o755, 0o644, 0o644],
    ['u=rwx-w+w', 0o000, 0o700, 0o000, 0o700],
    ['F-x', 0o755, 0o755, 0o755, 0o644],
    ['Dg=s', 0o2755, 0o2705, 0o755, 0o755],
    ['D2775', 0o755, 0o2775, 0o644, 0o644],
  ])(
    '--chmod %s changes the mode of a directory and of a file',
    (words, directory, changedDirectory, file, changedFile) => {
      expect(change(words)('directory', directory).toString(8)).toBe(changedDirectory.toString(8));
      expect(change(words)('file', file).toString(8)).toBe(changedFile.toString(8));
    },
  );

  test('--chmod keeps an executable file executable with X, whatever comes before it in the list', () => {
    expect(change('a-x,a+X')('file', 0o755)).toBe(0o755);
    expect(change('a-x,a+X')('file', 0o644)).toBe(0o644);
  });

  test('--chmod carries out more than one list one after the other', () => {
    expect(change('D700,F600', 'g+r')('file', 0o777)).toBe(0o640);
  });

  test('--chmod gives a symbolic link no mode', () => {
    expect(change('a=rwx')('symlink', 0)).toBe(0);
  });

  test.each(['', '78', 'D78', '75', 'u', 'u*r', 'Xu+r', 'u+q', 'D', 'DF755', '12345', 'u=g', 'D755;F644'])(
    '--chmod refuses %j and shows how it is written',
    (words) => {
      expect(() => change(words)).toThrow(expect.objectContaining({ code: 'usage' }));
      expect(() => change(words)).toThrow(/--chmod takes changes such as D755/);
    },
  );
});
