import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { manPages, escaped } from '../../src/cli/man/pages.ts';
import { createProgram } from '../../src/cli/program.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const pages = manPages(
  createProgram(() => undefined),
  '1.2.3',
);
const hasGroff = spawnSync('groff', ['--version']).status === 0;

function rendered(file: string): { text: string; complaints: string } {
  const { text = '' } = pages.find((page) => page.file === file) ?? {};
  const options = ['-man', '-ww', '-Wbreak', '-Tutf8', '-P-cbou'];
  const { stdout, stderr } = spawnSync('groff', options, { input: text, encoding: 'utf8' });
  return { text: stdout.replaceAll('‐', '-').replaceAll(/\s+/g, ' '), complaints: stderr };
}

describe('man pages', () => {
  it('the man pages are those that the package installs', () => {
    const { man } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8')) as { man: string[] };
    expect(man).toEqual(pages.map(({ file }) => `./dist/man/${file}`).toSorted());
  });

  it('the man pages cover every command that help names', () => {
    const program = createProgram(() => undefined);
    const names = program
      .createHelp()
      .visibleCommands(program)
      .map((command) => command.name());
    expect(pages.map(({ file }) => file).toSorted()).toEqual(
      ['cairn.1', ...names.filter((name) => name !== 'help').map((name) => `cairn-${name}.1`)].toSorted(),
    );
  });

  it.skipIf(!hasGroff)('the man pages are understood by groff', () => {
    for (const { file } of pages)
      expect(rendered(file).complaints.replaceAll(/^.*can(?:'t break|not adjust) line.*\n/gm, '')).toBe('');
  });

  it.skipIf(!hasGroff)('the man pages have options, variables, examples and exit codes as they are', () => {
    const { text } = rendered('cairn-push.1');
    for (const part of [
      'cairn-push - send files',
      '--bwlimit <rate>',
      '"08:00,1M 19:00,off"',
      'CAIRN_PUSH_RETRY_FOR, CAIRN_RETRY_FOR',
      'tar c ~/src | cairn push - http://127.0.0.1:7070/src.tar',
      '130/143 interrupted',
    ])
      expect(text).toContain(part);
    expect(rendered('cairn-serve.1').text).toContain(
      String.raw`--oidc-audience https://files.example.com \ --oidc`,
    );
  });
});

it('a text in a man page stays what a shell understands', () => {
  expect(escaped("cp ~/a-b 'c' `d` e^f")).toBe(String.raw`cp \(ti/a\-b \(aqc\(aq \(gad\(ga e\(haf`);
  expect(escaped('.TH')).toBe(String.raw`\&.TH`);
});
