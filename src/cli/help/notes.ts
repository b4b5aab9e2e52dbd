/** What follows the options in a help text: examples and notes, which the man pages have, too. */
import type { Command } from 'commander';
import { reflow } from './reflow.ts';

const kept = new WeakMap<Command, string>();

/**
 * Gives a command its examples and notes. Lines that begin with a blank stay as they are; everything else is filled up
 * to the width of the terminal.
 */
export function addNotes(command: Command, text: string): Command {
  kept.set(command, text);
  return command.addHelpText('after', ({ error }) => {
    const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput();
    return reflow(text, (error ? getErrHelpWidth?.() : getOutHelpWidth?.()) ?? 80);
  });
}

/** The notes of a command; empty where it has none. */
export function notesOf(command: Command): string {
  return kept.get(command) ?? '';
}
