import { describe, expect, it } from 'vitest';
import type { Command } from 'commander';
import { wantsJson } from '../../../src/cli/process/variable.ts';
import { pathOf, variablesOf } from '../../../src/cli/options/environment.ts';
import { createProgram } from '../../../src/cli/program.ts';

const wants = (words: readonly string[], env: Record<string, string> = {}): boolean =>
  wantsJson(['node', 'cairn', ...words], env);

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

describe('JSON for scripts', () => {
  it('--json asks for JSON, except in the command of another program', () => {
    expect(wants(['push', 'a', 'u', '--json'])).toBe(true);
    expect(wants(['push', '--from-command', 'u', '--', 'x', '--json'])).toBe(false);
    expect(wants([])).toBe(false);
  });

  it('the variable of every command with --json asks for JSON', () => {
    const all = everyCommand(createProgram(() => undefined));
    const commands = all.filter((each) => each.options.some(({ long }) => long === '--json'));
    expect(commands.length).toBeGreaterThan(15);
    for (const command of commands) {
      const option = command.options.find(({ long }) => long === '--json')!;
      for (const name of variablesOf(command, option)) {
        expect(wants([...pathOf(command), '-x', 'a'], { [name]: '1' }), name).toBe(true);
        expect(wants([...pathOf(command), 'a'], { [name]: ' ' }), name).toBe(false);
      }
    }
  });

  it('the variable of a command counts before that of all commands when JSON is asked for', () => {
    expect(wants(['push', 'a'], { CAIRN_JSON: '1', CAIRN_PUSH_JSON: '0' })).toBe(false);
    expect(wants(['push', 'a'], { CAIRN_JSON: '0', CAIRN_PUSH_JSON: 'yes' })).toBe(true);
    expect(wants(['pull', 'a'], { CAIRN_PUSH_JSON: '1' })).toBe(false);
  });
});
