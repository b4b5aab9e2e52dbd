import { describe, expect, it } from 'vitest';
import { failureText } from '../../../src/cli/process/edge.ts';
import { hasColors, columnsOf } from '../../../src/cli/screen/terminal.ts';

describe('colour', () => {
  it.each([
    ['a terminal', { isTTY: true }, {}, true],
    ['a file', { isTTY: false }, {}, false],
    ['a terminal, but NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', { isTTY: true }, { NO_COLOR: '' }, true],
    ['a file with FORCE_COLOR', { isTTY: false }, { FORCE_COLOR: '1' }, true],
    ['a terminal with FORCE_COLOR=0', { isTTY: true }, { FORCE_COLOR: '0' }, false],
    ['NO_COLOR before FORCE_COLOR', { isTTY: true }, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    ['a terminal that can do nothing', { isTTY: true }, { TERM: 'dumb' }, false],
  ])('colour is chosen for %s', (_what, stream, env, is) => {
    expect(hasColors(stream, env)).toBe(is);
  });

  it('colour sets off what happened, and leaves the words as they are', () => {
    const lines = ['it broke', 'everything is kept'];
    expect(failureText(lines, false)).toBe('cairn: it broke\ncairn: everything is kept\n');
    // oxlint-disable-next-line no-control-regex -- colour is what this is about
    expect(failureText(lines, true).replaceAll(/\u001b\[\d+m/g, '')).toBe(failureText(lines, false));
    expect(failureText(lines, true).startsWith('\u001b[31mcairn:')).toBe(true);
  });
});

describe('width', () => {
  it('the width is that of the terminal, else COLUMNS, else 80', () => {
    expect(columnsOf({ isTTY: true, columns: 132 }, { COLUMNS: '40' })).toBe(132);
    expect(columnsOf({ isTTY: true, columns: 0 }, {})).toBe(80);
    expect(columnsOf({}, { COLUMNS: '40' })).toBe(40);
    expect(columnsOf({}, { COLUMNS: 'wide' })).toBe(80);
  });
});
