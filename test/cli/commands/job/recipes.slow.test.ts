import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJobs } from '../../../../src/cli/commands/job/read-jobs.ts';
import { transferKeys } from '../../../../src/cli/commands/job/transfer-keys.ts';
import { createProgram } from '../../../../src/cli/program.ts';
import { cairn } from '../../../support/cli.ts';
import { startDiskServer } from '../../../support/servers.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const blocksOf = (file: string): string[] =>
  Array.from(
    readFileSync(path.join(ROOT, file), 'utf8').matchAll(/^```toml\n(.*?)^```/gms),
    ([, text]) => text!,
  );
const program = createProgram(() => undefined);

describe('job files in the documents', () => {
  it.each(['README.md', 'docs/jobs.md'])('the job files in %s have no mistake', async (file) => {
    const blocks = blocksOf(file);
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      const { mistakes, jobs } = await readJobs(block, (direction) => transferKeys(program, direction));
      expect(mistakes, block).toEqual([]);
      expect(jobs.length, block).toBeGreaterThan(0);
    }
  });

  it('the job files in the documents run as they are written, on a copy of a machine', async () => {
    const server = await startDiskServer();
    const machine = temporaryDirectory();
    const at = (...names: string[]): string => path.join(machine, ...names);
    for (const name of ['home/Documents', 'home/.config/cairn', 'etc/cairn', 'srv', 'var', 'bin'])
      mkdirSync(at(name), { recursive: true });
    for (const name of ['home/.config/cairn/token', 'etc/cairn/token', 'home/Documents/letter'])
      writeFileSync(at(name), server.token, { mode: 0o600 });
    for (const [name, text] of [
      ['pg_dump', 'echo dump'],
      ['systemctl', 'true'],
    ] as const) {
      writeFileSync(at('bin', name), `#!/bin/sh\n${text}\n`);
      chmodSync(at('bin', name), 0o755);
    }
    mkdirSync(path.join(server.root, 'site'));
    writeFileSync(path.join(server.root, 'site', 'index.html'), 'hello');
    mkdirSync(at('srv/standby/site'), { recursive: true });
    for (const name of ['index.html', 'gone.html']) writeFileSync(at('srv/standby/site', name), 'old');
    const recipes = readFileSync(path.join(ROOT, 'docs/jobs.md'), 'utf8').split('## Recipes')[1]!;
    const blocks = Array.from(recipes.matchAll(/^```toml\n(.*?)^```/gms), ([, text]) => text!);
    const text = blocks
      .join('\n')
      .replaceAll(/https:\/\/(?:backup|web)\.example/g, server.url)
      .replaceAll('https://hc.example', server.url)
      .replaceAll('"/etc', `"${machine}/etc`)
      .replaceAll('"/srv', `"${machine}/srv`)
      .replaceAll('"/var/lib/prometheus/node-exporter', `"${machine}/var`);
    writeFileSync(at('home/.config/cairn/jobs.toml'), text, { mode: 0o600 });
    const environment = {
      stateHome: temporaryDirectory(),
      env: { HOME: at('home'), XDG_CONFIG_HOME: '', PATH: `${at('bin')}:${process.env['PATH']}` },
    };
    const { exitCode, stderr } = await cairn(['job', 'run', '--all'], environment);
    expect(exitCode, stderr).toBe(0);
    const published = (name: string): string => readFileSync(path.join(server.root, name), 'utf8');
    expect(published('laptop/dumps/mydb.dump')).toBe('dump\n');
    expect(published('laptop/Documents/letter')).toBe(server.token);
    expect(published('web1/etc/cairn/token')).toBe(server.token);
    expect(readFileSync(at('srv/standby/site/index.html'), 'utf8')).toBe('hello');
    expect(existsSync(at('srv/standby/site/gone.html'))).toBe(false);
    expect(readFileSync(at('var/cairn_job_etc.prom'), 'utf8')).toContain('exit_code{job="etc"} 0');
    const status = await cairn(['job', 'status'], environment);
    expect(status.exitCode, status.stdout.toString()).toBe(0);
  });
});
