/** The man pages, from the same definitions as the help: one for cairn, one for each of its commands. */
import type { Command, Option } from 'commander';
import { notesOf, partsOf } from '../help/notes.ts';
import { pathOf, variablesOf } from '../options/environment.ts';

/** A page: its file name, and its text. */
export interface ManPage {
  readonly file: string;
  readonly text: string;
}

const SECTION = 1;

/** What groff would turn into a typographic sign, and a shell would not understand then. */
const TYPOGRAPHIC: Readonly<Record<string, string>> = {
  '-': String.raw`\-`,
  '~': String.raw`\(ti`,
  '^': String.raw`\(ha`,
  "'": String.raw`\(aq`,
  '`': String.raw`\(ga`,
};

/** Plain text: nothing in it is a request, and what is an example can be copied. */
export function escaped(text: string): string {
  const body = text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll(/[-~^'`]/g, (sign) => TYPOGRAPHIC[sign] ?? sign)
    .replaceAll('…', '...');
  return body.startsWith('.') ? String.raw`\&${body}` : body;
}

/** All pages. */
export function manPages(program: Command, version: string): ManPage[] {
  // The one that commander adds, help, has no parent.
  const own = program
    .createHelp()
    .visibleCommands(program)
    .filter(({ parent }) => parent === program);
  return [pageOf(program, own, version), ...own.map((command) => pageOf(command, own, version))];
}

const pageName = (command: Command): string => ['cairn', ...pathOf(command)].join('-');

function pageOf(command: Command, all: readonly Command[], version: string): ManPage {
  const name = pageName(command);
  const isMain = command.parent === null;
  const subcommands = isMain ? [] : command.commands;
  const lines = [
    ...titleLines(name, SECTION, version),
    ...section('NAME', [`${escaped(name)} \\- ${escaped(command.description().replace(/\.$/, ''))}`]),
    ...section('SYNOPSIS', synopsisOf(command)),
    ...section('COMMANDS', isMain ? all.flatMap((each) => item(each.name(), each.description())) : []),
    ...optionSections(command),
    ...subcommands.flatMap(subcommandSection),
    ...noteSections(notesOf(command)),
    ...section('ENVIRONMENT', environmentOf(command)),
    ...section('SEE ALSO', [seeAlso(command, all)]),
  ];
  return { file: `${name}.${SECTION}`, text: `${lines.join('\n')}\n` };
}

function synopsisOf(command: Command): string[] {
  const prefix = ['cairn', ...pathOf(command)].join(' ');
  // A usage of several lines names the command in each of them.
  const usages = `${prefix} ${command.usage()}`.split('\n').map((line) => line.trim());
  return usages.flatMap((line, index) => [...(index > 0 ? ['.br'] : []), escaped(line)]);
}

function optionSections(command: Command): string[] {
  const groups = new Map<string, Option[]>();
  for (const option of command.createHelp().visibleOptions(command)) {
    const heading = (option.helpGroupHeading ?? 'Options:').replace(/:$/, '').toUpperCase();
    groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [...groups].flatMap(([heading, options]) =>
    section(
      heading,
      options.flatMap((option) => item(option.flags, option.description)),
    ),
  );
}

function subcommandSection(command: Command): string[] {
  const options = command.createHelp().visibleOptions(command);
  return section(['cairn', ...pathOf(command)].join(' ').toUpperCase(), [
    escaped(command.description()),
    '.PP',
    ...synopsisOf(command),
    ...options.flatMap((option) => item(option.flags, option.description)),
  ]);
}

/** Examples come under their own heading; everything else is notes. */
function noteSections(notes: string): string[] {
  const [examples, others]: [string[], string[]] = [[], []];
  let kept: string[] = [];
  const flush = (into: string[]): void => {
    if (kept.length > 0) into.push(...example(kept));
    kept = [];
  };
  let into = others;
  for (const { kind, text } of partsOf(notes.trim())) {
    if (text === 'Examples:') into = examples;
    else if (kind === 'line' && text !== '') kept.push(text.replace(/^ {2}/, ''));
    else {
      flush(into);
      into = others;
      if (text !== '') into.push(...paragraph(text));
    }
  }
  flush(into);
  return [...section('NOTES', others), ...section('EXAMPLES', examples)];
}

function environmentOf(command: Command): string[] {
  const each = [command, ...command.commands].flatMap((one) =>
    one.options.map((option) => ({ option, names: variablesOf(one, option) })),
  );
  const known = new Map<string, string>();
  for (const { option, names } of each)
    if (names.length > 0) known.set(names.join(', '), option.long ?? option.flags);
  return [...known].flatMap(([names, long]) => item(names, `The value of ${long}.`));
}

function seeAlso(command: Command, all: readonly Command[]): string {
  const names = command.parent === null ? all.map(pageName) : ['cairn'];
  return names.map((name) => `${escaped(name)}(${SECTION})`).join(', ');
}

/** A word of a macro's line. */
export function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', String.raw`\(dq`)}"`;
}

/** The head of a page. */
function titleLines(name: string, sectionNumber: number, version: string): string[] {
  return [
    `.TH ${quoted(name.toUpperCase())} ${sectionNumber} "" ${quoted(`cairn ${version}`)} "User Commands"`,
    '.nh',
  ];
}

/** A section. */
export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${quoted(title)}`, ...lines];
}

/** A term, and what it is. */
export function item(term: string, description: string): string[] {
  return ['.TP', `.B ${quoted(term)}`, escaped(description)];
}

/** Lines that are kept as they are, to be copied. */
export function example(lines: readonly string[]): string[] {
  return ['.PP', '.RS 2', '.nf', ...lines.map(escaped), '.fi', '.RE'];
}

/** A paragraph. */
export function paragraph(text: string): string[] {
  return ['.PP', escaped(text)];
}
