import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readJobs } from '../../../../src/cli/commands/job/read-jobs.ts';
import { transferKeys } from '../../../../src/cli/commands/job/transfer-keys.ts';
import { createProgram } from '../../../../src/cli/program.ts';
import { startCuttingProxy } from '../../../support/cutting-proxy.ts';
import {
  blocksIn,
  commandsIn,
  documentMachine,
  sectionOf,
  type DocumentMachine,
  type ShellResult,
} from '../../../support/document-machine.ts';
import { startDiskServer, type DiskServer } from '../../../support/servers.ts';
import { digestOf, writeRandomFile } from '../../../support/trees.ts';

const program = createProgram(() => undefined);
const RECIPES = '## Recipes';

async function succeeds(run: Promise<ShellResult>): Promise<ShellResult> {
  const result = await run;
  expect(result.exitCode, `${result.stdout}\n${result.stderr}`).toBe(0);
  return result;
}

/** A machine with the token and the job file of a section, made by the commands of the document. */
async function machineOf(
  section: string,
  { server, url = server.url, token }: { server: DiskServer; url?: string; token: string },
): Promise<DocumentMachine> {
  const machine = documentMachine({
    'https://backup.example': url,
    'https://web.example': url,
    'https://hc.example': url,
    '/srv/files': server.root,
    '/srv/www': server.root,
  });
  await succeeds(machine.sh(token));
  const [, tokenOut] = / --token-out (\S+)/.exec(token)!;
  const [toml] = blocksIn(section, 'toml');
  const [, tokenFile] = /^token-file = "(.*)"$/m.exec(toml!)!;
  machine.write(tokenFile!, readFileSync(machine.at(tokenOut!), 'utf8'));
  machine.write('~/.config/cairn/jobs.toml', toml!);
  return machine;
}

const recipe = (name: string): string => sectionOf('docs/jobs.md', `### ${name}`);
/** The command of a recipe that makes its token; else that of all recipes. */
const tokenOf = (section: string): string =>
  [
    ...commandsIn(section, 'cairn token create'),
    ...commandsIn(sectionOf('docs/jobs.md', RECIPES), 'cairn token create'),
  ][0]!;

describe('job files in the documents', () => {
  it.each(['README.md', 'docs/jobs.md'])('the job files in %s have no mistake', async (file) => {
    const blocks = blocksIn(sectionOf(file), 'toml');
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      const { mistakes, jobs } = await readJobs(block, (direction) => transferKeys(program, direction));
      expect(mistakes, block).toEqual([]);
      expect(jobs.length, block).toBeGreaterThan(0);
    }
  });
});

describe('what the documents tell a new user to do', () => {
  it('the job of the README works as it is written: its token, check, run, timer and status', async () => {
    const server = await startDiskServer();
    const section = sectionOf('README.md', '## A backup job');
    const [token] = commandsIn(section, 'cairn token create');
    const machine = await machineOf(section, { server, token: token! });
    machine.write('/srv/data/.mounted', '');
    machine.write('/srv/data/a', 'of a');
    const jobs = commandsIn(section, 'cairn job');
    expect(jobs).toHaveLength(3);
    const said: string[] = [];
    for (const line of jobs) said.push((await succeeds(machine.sh(line))).stdout);
    expect(readFileSync(path.join(server.root, 'data/a'), 'utf8')).toBe('of a');
    expect(said.join('')).toContain('systemctl --user enable --now cairn-job-data.timer');
    expect(existsSync(path.join(machine.home, '.config/systemd/user/cairn-job-data.timer'))).toBe(true);
  });

  it('the recipe for a database publishes a dump whole, and one that fails leaves that of the night before', async () => {
    const server = await startDiskServer();
    const section = recipe('A database, every night');
    const machine = await machineOf(section, { server, token: tokenOf(section) });
    const published = (): string => readFileSync(path.join(server.root, 'laptop/dumps/mydb.dump'), 'utf8');
    machine.install('pg_dump', 'echo "$@"; seq 100000');
    await succeeds(machine.sh('cairn job run database'));
    const first = published();
    expect(first).toMatch(/^--format=custom mydb\n1\n(.*\n)*100000\n$/);
    machine.install('pg_dump', 'echo "$@"; seq 80000; echo "connection lost" >&2; exit 1');
    expect(await machine.sh('cairn job run database')).toMatchObject({ exitCode: 11 });
    expect(published()).toBe(first);
    expect((await machine.sh('cairn job history database')).stdout).toMatch(/ failed +11 /);
  });

  it('the recipe for a mobile line brings a home directory through its cuts, and that for a dead disk brings it back', async () => {
    const server = await startDiskServer();
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 150_000 });
    onTestFinished(() => proxy.close());
    const section = recipe('A home directory, over a mobile line');
    const url = `http://127.0.0.1:${proxy.port}`;
    const machine = await machineOf(section, { server, url, token: tokenOf(section) });
    machine.write('~/Documents/letter', 'dear reader');
    machine.write('~/Documents/image.iso', 'no');
    const photo = path.join(machine.home, 'Documents/photo');
    writeRandomFile(photo, 600_000);
    let cuts = 0;
    const cut = (): void => {
      if ((cuts += 1) < 3) proxy.cutAfter('up', 150_000, cut);
    };
    proxy.cutAfter('up', 150_000, cut);
    await succeeds(machine.sh('cairn job run home'));
    for (const line of commandsIn(section, 'cairn job timer')) await succeeds(machine.sh(line));
    expect(cuts).toBe(3);
    expect(proxy.bytesUp).toBeLessThan(700_000);
    expect(existsSync(path.join(server.root, 'laptop/Documents/image.iso'))).toBe(false);

    const after = recipe('After a disk died');
    const fresh = await machineOf(after, { server, token: tokenOf(after) });
    const [restore] = commandsIn(after, 'cairn job run');
    await succeeds(fresh.sh(restore!));
    expect(digestOf(path.join(fresh.home, 'Documents/photo'))).toBe(digestOf(photo));
  });

  it('the recipe for many machines lets each write below its own path, and nowhere else', async () => {
    const server = await startDiskServer();
    const section = recipe('Many machines, one server');
    const [web1, web2] = ['web1', 'web2'].map((name) => section.replaceAll('web1', name));
    for (const each of [web1!, web2!]) {
      const machine = await machineOf(each, { server, token: tokenOf(each) });
      machine.write('/etc/motd', each === web1 ? 'one' : 'two');
      mkdirSync(machine.at('/var/lib/prometheus/node-exporter'), { recursive: true });
      await succeeds(machine.sh('cairn job run etc'));
      const metrics = readFileSync(
        machine.at('/var/lib/prometheus/node-exporter/cairn_job_etc.prom'),
        'utf8',
      );
      expect(metrics).toContain('exit_code{job="etc"} 0');
    }
    const published = (name: string): string =>
      readFileSync(path.join(server.root, name, 'etc/motd'), 'utf8');
    expect([published('web1'), published('web2')]).toEqual(['one', 'two']);
    const another = tokenOf(section.replaceAll('web1', 'web3'));
    const crossed = await machineOf(web1!, { server, token: another });
    crossed.write('/etc/motd', 'three');
    expect((await crossed.sh('cairn job run etc')).exitCode).toBe(6);
    expect(published('web1')).toBe('one');
  });

  it('the recipe for a web root deletes what is gone, and tells the web server', async () => {
    const server = await startDiskServer();
    const section = recipe('A mirror of a web root');
    const machine = await machineOf(section, { server, token: tokenOf(section) });
    machine.install('systemctl', `echo "$@" > "${machine.home}/told"`);
    mkdirSync(path.join(server.root, 'site'));
    writeFileSync(path.join(server.root, 'site/index.html'), 'hello');
    for (const name of ['index.html', 'gone.html']) machine.write(`/srv/standby/site/${name}`, 'old');
    await succeeds(machine.sh('cairn job run website'));
    expect(readFileSync(machine.at('/srv/standby/site/index.html'), 'utf8')).toBe('hello');
    expect(existsSync(machine.at('/srv/standby/site/gone.html'))).toBe(false);
    expect(readFileSync(path.join(machine.home, 'told'), 'utf8')).toBe('reload nginx\n');
  });

  it('the commands with which docs/mirror.md begins work as they are written', async () => {
    const server = await startDiskServer();
    const machine = documentMachine({ 'https://host': server.url });
    for (const name of ['a', 'b', 'c']) machine.write(`~/photos/${name}`, name);
    mkdirSync(path.join(server.root, 'photos'));
    for (const name of ['a', 'b', 'gone']) writeFileSync(path.join(server.root, 'photos', name), 'x');
    const commands = commandsIn(sectionOf('docs/mirror.md'), 'cairn');
    expect(commands).toHaveLength(3);
    const results: ShellResult[] = [];
    for (const line of commands)
      results.push(await succeeds(machine.sh(line, { CAIRN_TOKEN: server.token })));
    expect(results[0]!.stdout).toMatch(/^delete +file +1 B +gone$/m);
    expect(existsSync(path.join(server.root, 'photos/gone'))).toBe(false);
    expect(digestOf(path.join(machine.home, 'copy/c'))).toBe(digestOf(path.join(machine.home, 'photos/c')));
  });

  it('the commands of docs/operating.md about sessions work as they are written', async () => {
    const server = await startDiskServer();
    const machine = documentMachine({ 'https://files.example.org': server.url });
    const section = sectionOf('docs/operating.md', '## Who transfers what');
    const lines = commandsIn(section, 'cairn').filter((line) => !/ ID\b|--thorough/.test(line));
    expect(lines).toHaveLength(3);
    for (const line of lines) await succeeds(machine.sh(line, { CAIRN_TOKEN: server.token }));
  });
});
