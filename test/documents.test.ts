import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/cli/program.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const MAX_README_BYTES = 8 * 1024;
const MAX_ARCHITECTURE_LINES = 200;

interface Document {
  /** Relative to the root of the repository, with slashes. */
  readonly file: string;
  readonly text: string;
}

const readRoot = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const filesBelow = (folder: string): string[] =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
    path.posix.join(folder, file.replaceAll(path.sep, '/')),
  );

const documents: Document[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...filesBelow('docs').filter((file) => file.endsWith('.md')),
].map((file) => ({ file, text: readRoot(file) }));
const { files: packed, scripts } = JSON.parse(readRoot('package.json')) as {
  files: string[];
  scripts: Record<string, string>;
};

const BLOCK = /^```.*?^```/gms;
const LINK = /\]\(([^()\s#]*)(?:#([^()\s]*))?\)/g;
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

/** What a link of `from` names in the repository; undefined for one that leads elsewhere. */
function linked(from: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  return target === '' ? from : path.posix.normalize(path.posix.join(path.posix.dirname(from), target));
}

const linksOf = ({ file, text }: Document): { readonly to: string; readonly anchor: string | undefined }[] =>
  Array.from(text.replaceAll(BLOCK, '').matchAll(LINK), (match) => ({
    to: linked(file, match[1] ?? ''),
    anchor: match[2],
  })).flatMap(({ to, anchor }) => (to === undefined ? [] : [{ to, anchor }]));

const isPacked = (file: string): boolean =>
  file === 'package.json' || packed.some((entry) => file === entry || file.startsWith(`${entry}/`));

/** The commands of cairn in the blocks of a document, as words. */
function commandLinesOf({ text }: Document): string[][] {
  const lines = (text.match(BLOCK) ?? [])
    .filter((block) => block.startsWith('```sh'))
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
    .map((line) => line.replace(/\s#.*$/, ''));
  return lines.flatMap((line) =>
    line
      .split(/&&|[|;(&]/)
      .map((part) => part.trim().split(/\s+/))
      .filter(([first]) => first === 'cairn'),
  );
}

/** What of a command line is not known to cairn. */
function unknownIn(program: Command, words: readonly string[]): string | undefined {
  let command = program;
  const own = words.slice(1, words.includes('--') ? words.indexOf('--') : undefined);
  for (const word of own) {
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) break;
    command = next;
  }
  if (command === program && !own.some((word) => word.startsWith('-') || word === 'COMMAND')) return own[0];
  if (own.includes('COMMAND')) return undefined;
  const known = command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ short, long }) => [short, long]);
  return own
    .map((word) => word.replaceAll(/[[\]]/g, '').replace(/=.*/, ''))
    .find((word) => word.startsWith('-') && word !== '-' && !known.includes(word));
}

describe('the documents', () => {
  it('keep README at 8 KB and ARCHITECTURE at 200 lines', () => {
    expect(statSync(path.join(ROOT, 'README.md')).size).toBeLessThanOrEqual(MAX_README_BYTES);
    expect(readRoot('ARCHITECTURE.md').trimEnd().split('\n').length).toBeLessThanOrEqual(
      MAX_ARCHITECTURE_LINES,
    );
  });

  it('link to files and headings that exist', () => {
    const dead = documents.flatMap((document) =>
      linksOf(document)
        .filter(({ to, anchor }) => {
          if (!existsSync(path.join(ROOT, to))) return true;
          if (anchor === undefined) return false;
          const headings = Array.from(readRoot(to).matchAll(/^#+ (.*)$/gm), (match) => anchorOf(match[1]!));
          return !headings.includes(anchor);
        })
        .map(({ to, anchor }) => `${document.file}: ${to}#${anchor ?? ''}`),
    );
    expect(dead).toEqual([]);
  });

  it('link from packed documents to packed files only', () => {
    const missing = documents
      .filter(({ file }) => isPacked(file))
      .flatMap((document) => linksOf(document).map(({ to }) => ({ from: document.file, to })))
      .filter(({ to }) => !isPacked(to))
      .map(({ from, to }) => `${from}: ${to}`);
    expect(missing).toEqual([]);
  });

  it('number each decision once, and name it in the index', () => {
    const pages = readdirSync(path.join(ROOT, 'docs/decisions')).filter((file) => /^\d/.test(file));
    const numbers = pages.map((file) => file.slice(0, 3));
    const named = linksOf(documents.find(({ file }) => file === 'docs/decisions/README.md')!).map(({ to }) =>
      path.posix.basename(to),
    );
    expect(numbers).toEqual([...new Set(numbers)]);
    expect(pages.filter((file) => !named.includes(file))).toEqual([]);
  });

  it('name source files that exist, by name or by path', () => {
    const sources = ['src', 'test', 'bin'].flatMap((folder) => filesBelow(folder));
    const stale = documents.flatMap(({ file, text }) =>
      Array.from(
        text.replaceAll(BLOCK, '').matchAll(/`([\w./*-]+\.ts|(?:src|test)\/[\w./-]*)`/g),
        (m) => m[1]!,
      )
        .filter((name) => !name.includes('*'))
        .filter((name) => {
          const plain = name.replace(/\/$/, '');
          if (existsSync(path.join(ROOT, plain))) return false;
          return !sources.some((source) => source.endsWith(`/${plain}`));
        })
        .map((name) => `${file}: ${name}`),
    );
    expect(stale).toEqual([]);
  });

  it('name scripts of npm that exist', () => {
    const named = documents.flatMap(({ file, text }) =>
      Array.from(text.matchAll(/\bnpm run (?:--\S+ )?([a-z][\w:]*)/g), (match) => ({
        file,
        name: match[1]!,
      })),
    );
    expect(named.filter(({ name }) => scripts[name] === undefined)).toEqual([]);
    expect(named.map(({ name }) => name)).toContain('quickstart');
  });

  it('show commands and options that cairn has', () => {
    const program = createProgram(() => undefined);
    const unknown = documents.flatMap((document) =>
      commandLinesOf(document)
        .map((words) => ({ words, what: unknownIn(program, words) }))
        .filter(({ what }) => what !== undefined)
        .map(({ words, what }) => `${document.file}: ${what} in ${words.join(' ')}`),
    );
    expect(unknown).toEqual([]);
  });
});
