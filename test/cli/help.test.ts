/** Help at the width of the terminal. */
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { notesOf, fill, reflow } from '../../src/cli/help/notes.ts';
import { choicesOf } from '../../src/cli/options/option.ts';
import { createProgram } from '../../src/cli/program.ts';

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

const words = (text: string): string[] => text.split(/\s+/);

describe('help', () => {
  it.each([32, 40, 60, 80, 132])(
    'help has no line beyond %i columns, but for words that are longer',
    (width) => {
      for (const command of everyCommand(createProgram(() => undefined))) {
        command.configureOutput({ getOutHelpWidth: () => width });
        for (const line of command.helpInformation().split('\n')) {
          const isTerm = /^ {2}\S+(?: \S+)*$/.test(line) || /^(?:Usage:| {7}cairn)/.test(line);
          if (!isTerm) expect(line.length, line).toBeLessThanOrEqual(width);
        }
      }
    },
  );

  it('help says the same at any width', () => {
    for (const command of everyCommand(createProgram(() => undefined))) {
      const [narrow, wide] = [32, 132].map((width) => {
        command.configureOutput({ getOutHelpWidth: () => width });
        return words(command.helpInformation());
      });
      expect(narrow).toEqual(wide);
    }
  });
});

describe('content of help', () => {
  const all = everyCommand(createProgram(() => undefined));

  it('help of an option that takes one of a few words names the first of them', () => {
    const options = all.flatMap(({ options: each }) => each);
    const silent = options.filter((option) => !option.description.includes(choicesOf(option)?.[0] ?? ''));
    expect(silent.map(({ flags }) => flags)).toEqual([]);
  });

  it('help has examples that begin with the command itself', () => {
    for (const command of all.filter((each) => notesOf(each) !== '' && each.parent !== null)) {
      expect(notesOf(command)).toMatch(new RegExp(`^  (?:.* \\| )?cairn ${command.name()}\\b`, 'm'));
    }
  });
});

describe('filled text', () => {
  it('a filled text keeps to the width, and a longer word has its own line', () => {
    expect(fill('a bb ccc dddddddddd e', 6)).toEqual(['a bb', 'ccc', 'dddddddddd', 'e']);
  });

  it('a filled text keeps lines to copy, and puts remarks below them if there is no room', () => {
    const text = 'Some words here.\n\n  cairn ls URL   lists what is there\n  cairn push a b c d e f g h';
    expect(reflow(text, 20)).toBe(
      'Some words here.\n\n  cairn ls URL\n      lists what is\n      there\n  cairn push a b c d e f g h',
    );
    expect(reflow(text, 80)).toBe(text);
  });
});
