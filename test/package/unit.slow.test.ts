/** The unit for systemd, as far as it can be looked at without a systemd that runs it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../../esbuild.bundle.js';
import { cairn } from '../support/cli.ts';
import { hasProgram } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const PACKAGING = path.join(ROOT, 'docs/packaging');
const unit = readFileSync(path.join(PACKAGING, 'cairn.service'), 'utf8');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** A setting's values, in order. */
const settings = (name: string): string[] =>
  Array.from(unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm')), (match) => match[1]!);

/** The unit with its drop-in, with a program that is there; answers its path. */
function installUnit(changed: (text: string) => string = (text) => text): string {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'cairn.service');
  writeFileSync(file, changed(unit.replace('/usr/local/bin/cairn', path.join(ROOT, 'bin/cairn.js'))));
  const dropIns = `${file}.d`;
  mkdirSync(dropIns);
  const tls = readFileSync(path.join(PACKAGING, 'cairn.service.d/tls.conf'), 'utf8');
  writeFileSync(path.join(dropIns, 'tls.conf'), tls);
  return file;
}

function analyze(...words: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe.runIf(hasSystemd)('the unit (needs systemd-analyze)', () => {
  test('is one that systemd understands in every line, with its drop-in', () => {
    const verified = analyze('verify', '--man=no', installUnit());
    expect(verified).toEqual({ status: 0, said: '' });
    const misspelt = installUnit((text) => text.replace('NoNewPrivileges', 'NoNewPrivilege'));
    expect(analyze('verify', '--man=no', misspelt).said).toContain('NoNewPrivilege');
  });

  test('exposes little, by the measure of systemd itself', () => {
    // 10 is a unit without any of it, 2 and less is "OK" and better.
    const measured = analyze('security', '--offline=yes', '--no-pager', '--threshold=20', installUnit());
    expect(measured.said).toMatch(/Overall exposure level for cairn\.service: \d\.\d OK/);
    expect(measured.status).toBe(0);
  });

  test.runIf(hasProgram('strace'))(
    'allows every system call that a server makes (needs strace)',
    async () => {
      const allowed = new Set<string>();
      for (const line of settings('SystemCallFilter')) {
        for (const name of line.replace('~', '').split(' ').flatMap(callsOf)) {
          if (line.startsWith('~')) allowed.delete(name);
          else allowed.add(name);
        }
      }
      expect(allowed.size).toBeGreaterThan(200);
      const made = await callsOfServer();
      expect(made.size).toBeGreaterThan(40);
      const refused = [...made].filter((name) => !allowed.has(name));
      expect(refused).toEqual([]);
    },
  );
});

/** The system calls in a set of systemd's, also of the sets in it. */
function callsOf(name: string): string[] {
  if (!name.startsWith('@')) return [name];
  const lines = analyze('syscall-filter', '--no-pager', name)
    .said.split('\n')
    .map((line) => line.trim());
  return lines
    .slice(1)
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap(callsOf);
}

/** What a server calls while it starts, takes a push, gives a pull, reads again and ends. */
async function callsOfServer(): Promise<Set<string>> {
  const directory = temporaryDirectory();
  const trace = path.join(directory, 'trace');
  const server = await startDiskServer({ before: ['strace', '-D', '-f', '-qq', '-c', '-o', trace] });
  const source = path.join(directory, 'file');
  writeRandomFile(source, 4 * 1024 * 1024);
  const client = { stateHome: temporaryDirectory(), token: server.token };
  expect((await cairn(['push', source, `${server.url}/file`], client)).exitCode).toBe(0);
  expect((await cairn(['pull', `${server.url}/file`, `${source}-2`], client)).exitCode).toBe(0);
  expect((await server.stop()).exitCode).toBe(0);
  // With -D, strace is a child of the server, and writes its table once that has ended.
  // oxlint-disable-next-line no-await-in-loop -- the file is looked at again and again
  while (!/ total$/m.test(readFileSync(trace, 'utf8'))) await delay(20);
  const rows = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((row) => /^ *\d/.test(row));
  return new Set(rows.map((row) => row.trim().split(/ +/).at(-1)!).filter((name) => name !== 'total'));
}

test('the server may write where the unit puts it, and nowhere else', () => {
  expect(settings('ProtectSystem')).toEqual(['strict']);
  expect(settings('DynamicUser')).toEqual(['yes']);
  expect(settings('ReadWritePaths')).toEqual([]);
  expect(settings('ExecStart')[0]).toContain(
    '--root ${STATE_DIRECTORY}/files --state ${STATE_DIRECTORY}/state',
  );
});
