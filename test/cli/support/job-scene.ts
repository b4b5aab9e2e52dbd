/** A user with a job file, a tree to push, and a server to push to. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cairn, startCairn, type CliResult, type CliRun } from '../../support/cli.ts';
import { startDiskServer, type DiskServer } from '../../support/servers.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** See {@link jobScene}. */
export interface JobScene {
  readonly server: DiskServer;
  readonly config: string;
  readonly stateHome: string;
  /** A tree of two files. */
  readonly source: string;
  /** A directory for what hooks write. */
  readonly notes: string;
  /** Writes the job file; `URL` in it stands for the server, `SOURCE` and `NOTES` for the directories. */
  writeJobs(...lines: string[]): void;
  start(words: readonly string[], env?: Record<string, string>): CliRun;
  job(words: readonly string[], env?: Record<string, string>): Promise<CliResult>;
  /** What a hook has written into a file of `notes`; undefined where it has not run. */
  note(name: string): string | undefined;
  /** The lines of the history of a job. */
  history(name: string): Record<string, unknown>[];
  /** The record of the last run of a job. */
  last(name: string): Record<string, unknown>;
  published(name: string): string | undefined;
}

/** A hook that writes the variables of its job into a file. */
export const noteHook = (name: string): string => `["sh", "-c", "env | grep ^CAIRN_ > NOTES/${name}; true"]`;

/** Makes one; it goes with the test. */
export async function jobScene(): Promise<JobScene> {
  const server = await startDiskServer();
  const [config, stateHome, source, notes] = [1, 2, 3, 4].map(() => temporaryDirectory()) as [
    string,
    string,
    string,
    string,
  ];
  mkdirSync(path.join(source, 'd'));
  writeFileSync(path.join(source, 'a'), 'a'.repeat(1000));
  writeFileSync(path.join(source, 'd', 'b'), 'b');
  mkdirSync(path.join(config, 'cairn'));
  const textOf = (file: string): string | undefined =>
    existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  const environment = (env: Record<string, string> = {}) => ({
    stateHome,
    token: server.token,
    env: { XDG_CONFIG_HOME: config, ...env },
  });
  return {
    server,
    config,
    stateHome,
    source,
    notes,
    writeJobs: (...lines) => {
      const text = lines
        .join('\n')
        .replaceAll('URL', server.url)
        .replaceAll('SOURCE', source)
        .replaceAll('NOTES', notes);
      writeFileSync(path.join(config, 'cairn', 'jobs.toml'), text, { mode: 0o600 });
    },
    start: (words, env) => startCairn(['job', ...words], environment(env)),
    job: (words, env) => cairn(['job', ...words], environment(env)),
    note: (name) => textOf(path.join(notes, name)),
    history: (name) =>
      (textOf(path.join(stateHome, 'jobs', `${name}.runs`)) ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    last: (name) =>
      JSON.parse(textOf(path.join(stateHome, 'jobs', `${name}.json`)) ?? '{}') as Record<string, unknown>,
    published: (name) => textOf(path.join(server.root, name)),
  };
}
