import { describe, expect, test } from 'vitest';
import { modeFor, type ModeWishes } from '../../src/manifest/modes.ts';

const directory = { type: 'directory', path: 'd' } as const;
const file = { type: 'file', path: 'f' } as const;
const of = (umask: number, ownerReads = false) => ({ umask, ownerReads });

describe('modes', () => {
  test.each([
    // sent, umask, got
    [0o644, 0o077, 0o644],
    [0o664, 0o077, 0o664],
    [0o666, 0o022, 0o644],
    [0o666, 0o077, 0o644],
    [0o666, 0o002, 0o664],
    [0o666, 0o000, 0o666],
    [0o777, 0o027, 0o755],
    [0o777, 0o007, 0o775],
    [0o602, 0o022, 0o600],
  ])('the mode 0%o under the umask 0%o becomes 0%o', (mode, umask, got) => {
    expect(modeFor({ ...file, mode }, undefined, of(umask)).toString(8)).toBe(got.toString(8));
  });

  test('a directory gets no set-group-id bit from its sender, and keeps its own', () => {
    expect(modeFor({ ...directory, mode: 0o2755 }, undefined, of(0o022))).toBe(0o755);
    expect(modeFor({ ...directory, mode: 0o2755 }, 0o755, of(0o022))).toBe(0o755);
    expect(modeFor({ ...directory, mode: 0o755 }, 0o2755, of(0o022))).toBe(0o2755);
    expect(modeFor({ ...directory, mode: 0o1777 }, undefined, of(0))).toBe(0o1777);
  });

  test('every bit of a mode is taken over where that is asked', () => {
    const wishes: ModeWishes = { preserve: true };
    expect(modeFor({ ...directory, mode: 0o2777 }, 0o755, of(0o077), wishes)).toBe(0o2777);
    expect(modeFor({ ...directory, mode: 0o755 }, 0o2755, of(0o077), wishes)).toBe(0o755);
    expect(modeFor({ ...file, mode: 0o666 }, undefined, of(0o077), wishes)).toBe(0o666);
  });

  test('a mode that a user asks for counts before the umask, and sets no set-id bit of a file', () => {
    const wishes: ModeWishes = { change: () => 0o6666 };
    expect(modeFor({ ...file, mode: 0o600 }, undefined, of(0o077), wishes)).toBe(0o666);
    expect(modeFor({ ...directory, mode: 0o700 }, undefined, of(0o077), wishes)).toBe(0o6666);
  });

  test('a server that is not root can always read its own entries', () => {
    expect(modeFor({ ...directory, mode: 0 }, undefined, of(0o022, true))).toBe(0o500);
    expect(modeFor({ ...file, mode: 0o222 }, undefined, of(0o022, true))).toBe(0o600);
    expect(modeFor({ ...file, mode: 0 }, undefined, of(0o022, true), { preserve: true })).toBe(0o400);
  });

  test('the mode of a target that was there is kept where that is asked', () => {
    const target = { type: 'directory', path: '', mode: 0o500 } as const;
    expect(modeFor(target, 0o755, of(0o022), { keepsTarget: true })).toBe(0o755);
    expect(modeFor(target, 0o755, of(0o022))).toBe(0o500);
    expect(modeFor({ ...target, path: 'a' }, 0o755, of(0o022), { keepsTarget: true })).toBe(0o500);
  });
});
