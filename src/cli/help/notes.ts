/** What follows the options in a help text: examples and notes, which the man pages have, too. */
import type { Command } from 'commander';

const kept = new WeakMap<Command, string>();

/** A command and what it is for, which stand side by side where there is room. */
const EXAMPLE = /^( +\S(?:.*?\S)?) {2,}(\S.*)$/;
const UNDER = ' '.repeat(6);

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

/** Lines of at most `width`, broken between words; a word that is longer has a line of its own. */
export function fill(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const longer = line === '' ? `${indent}${word}` : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = longer;
  }
  return line === '' ? lines : [...lines, line];
}

/** Parts of a text: paragraphs to be filled, and lines that stay as they are, empty ones among them. */
export function partsOf(text: string): { readonly kind: 'paragraph' | 'line'; readonly text: string }[] {
  const parts: { kind: 'paragraph' | 'line'; text: string }[] = [];
  for (const line of text.split('\n')) {
    const last = parts.at(-1);
    if (line === '' || /^\s/.test(line)) parts.push({ kind: 'line', text: line });
    else if (last?.kind === 'paragraph') last.text = `${last.text} ${line}`;
    else parts.push({ kind: 'paragraph', text: line });
  }
  return parts;
}

/** What is there to be copied is never broken; the words beside it go under it. */
function lineIn(text: string, width: number): string[] {
  const [, command, words] = text.length > width ? (EXAMPLE.exec(text) ?? []) : [];
  return command === undefined || words === undefined ? [text] : [command, ...fill(words, width, UNDER)];
}

/** The text with its paragraphs filled up to `width`. */
export function reflow(text: string, width: number): string {
  return partsOf(text)
    .flatMap((part) => (part.kind === 'line' ? lineIn(part.text, width) : fill(part.text, width)))
    .join('\n');
}
