/** What a document tells its reader to do, and a machine of a new user on which that is done. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryDirectory } from './trees.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** The text of a document of the repository, or of one of its sections, up to the next heading of the same level or above. */
export function sectionOf(file: string, heading?: string): string {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  if (heading === undefined) return text;
  const level = heading.indexOf(' ');
  const [, rest] = text.split(`\n${heading}\n`);
  if (rest === undefined) throw new Error(`${file} has no heading "${heading}"`);
  return rest.split(new RegExp(`^#{1,${level}} `, 'm'))[0]!;
}

/** The blocks of a language in a text, in their order. */
export function blocksIn(text: string, language: 'sh' | 'toml'): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'));
  return Array.from(blocks, ([, block]) => block!);
}

/** The lines of the shell in a text that begin with these words. */
export function commandsIn(text: string, beginning: string): string[] {
  return blocksIn(text, 'sh')
    .flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith(beginning));
}

/** The outcome of a command. */
export interface ShellResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine on which nobody has used cairn before. */
export interface DocumentMachine {
  readonly home: string;
  /** A path of the document, such as `/srv/data`, on this machine. */
  at(absolute: string): string;
  /** Writes a file at a path of the document, `~/…` too, which only its user may read. */
  write(name: string, text: string): void;
  /** Puts a program into its PATH. */
  install(name: string, script: string): void;
  /** Runs a line with a shell; the names of the document stand for this machine and the servers. */
  sh(line: string, env?: Record<string, string>): Promise<ShellResult>;
}

/**
 * Makes one; it goes with the test.
 *
 * @param names what stands for the names of the document: URLs of servers, and directories
 */
export function documentMachine(names: Readonly<Record<string, string>>): DocumentMachine {
  const machine = temporaryDirectory();
  const [home, bin] = [path.join(machine, 'home'), path.join(machine, 'bin')];
  for (const directory of [home, bin]) mkdirSync(directory);
  const install = (name: string, script: string): void => {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(bin, name), 0o755);
  };
  install('cairn', `exec "${process.execPath}" "${path.join(ROOT, 'bin/cairn.js')}" "$@"`);
  for (const name of ['systemctl', 'loginctl', 'mail']) install(name, 'exit 0');
  const at = (absolute: string): string => path.join(machine, absolute);
  const here = (text: string): string => {
    const known = Object.entries(names).reduce((sum, [name, value]) => sum.replaceAll(name, value), text);
    return known.replaceAll(/(?<=^|["\s=])\/(srv|etc|var)\b/g, `${machine}/$1`);
  };
  return {
    home,
    at,
    install,
    write: (name, text) => {
      const file = name.startsWith('~/') ? path.join(home, name.slice(2)) : at(name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, here(text), { mode: 0o600 });
    },
    sh: (line, env = {}) =>
      run(here(line), machine, { HOME: home, PATH: `${bin}:${process.env['PATH']}`, ...env }),
  };
}

/** No variable of the machine that runs the tests counts. */
async function run(line: string, cwd: string, env: Record<string, string>): Promise<ShellResult> {
  const child = spawn('sh', ['-c', line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { exitCode, stdout, stderr };
}
