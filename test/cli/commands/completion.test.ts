/** What the shells are offered, and the scripts that ask for it, in the shells themselves. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { offerFor } from '../../../src/cli/commands/completion/candidates.ts';
import { createProgram } from '../../../src/cli/program.ts';

const known = {
  transferIds: async () => [{ word: 'abcdef', description: 'push http://h/' }],
  jobNames: async (file = 'usual') => [{ word: `of-${file}`, description: 'push to http://h/' }],
};

async function offered(...words: string[]): Promise<string[]> {
  const { candidates, files } = await offerFor(
    createProgram(() => undefined),
    words,
    known,
  );
  return [...candidates.map(({ word }) => word), ...(files ? [':files'] : [])];
}

describe('completion', () => {
  it.each([
    [['pus'], ['push']],
    [['push', '--chec'], ['--checksum']],
    [
      ['push', '--digest', ''],
      ['xxh64', 'sha256'],
    ],
    [['push', '--digest=s'], ['--digest=sha256']],
    [['push', '--digest', '=', 's'], ['sha256']],
    [['push', 'a', '--parallel', ''], []],
    [['push', '--token-file', ''], [':files']],
    [['push', '--quiet', 'a', ''], [':files']],
    [['push', '--from-command', 'http://h/', '--', '--q'], [':files']],
    [['serve', '--log-level', 'de'], ['debug']],
    [['token', 're'], ['revoke']],
    [['token', 'create', '--scope', 'read,wri'], ['read,write']],
    [['sessions', 'list', '--state', 'sus'], ['suspended']],
    [['transfers', 'rm', 'x', ''], ['abcdef']],
    [['transfers', 'show', 'abc'], ['abcdef']],
    [['job', 'run', ''], ['of-usual']],
    [['job', 'run', 'home', 'of'], ['of-usual']],
    [['job', 'status', '--file', 'x', ''], ['of-x']],
    [['job', 'timer', '--file=x', 'o'], ['of-x']],
    [['job', 'run', '--file', '=', 'x', ''], ['of-x']],
    [['job', 'history', 'x'], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['help', 'verif'], ['verify']],
    [['ls', 'http'], []],
    [['bogus', 'x', ''], []],
  ])('completion offers after %j %j', async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  it('completion offers every visible command, and none that is hidden', async () => {
    const all = await offered('');
    expect(all).toEqual(expect.arrayContaining(['push', 'serve', 'completion', 'help']));
    expect(all).not.toContain('complete');
  });

  it('completion offers the long and the short form of each option', async () => {
    expect(await offered('push', '-')).toEqual(expect.arrayContaining(['--verbose', '-v', '--help', '-h']));
  });
});

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** Runs a script in a shell in which `cairn` is this one. */
function inShell(shell: string, args: readonly string[]) {
  const home = mkdtempSync(join(tmpdir(), 'cairn-completion-'));
  try {
    symlinkSync(resolve(import.meta.dirname, '../../../bin/cairn.js'), join(home, 'cairn'));
    const config = join(home, 'config', 'cairn');
    mkdirSync(config, { recursive: true, mode: 0o700 });
    const job = '[job.home]\nsource = "/home/u"\nto = "http://h/u"\n[job.work]\nsource = 1\n';
    writeFileSync(join(config, 'jobs.toml'), job, { mode: 0o600 });
    const env = {
      ...process.env,
      XDG_CONFIG_HOME: join(home, 'config'),
      PATH: `${home}:${process.env['PATH']}`,
      HOME: home,
      CAIRN_STATE_HOME: join(home, 's'),
    };
    const { stdout, stderr } = spawnSync(shell, args, { env, cwd: home, encoding: 'utf8' });
    return { stdout, stderr, wasRun: existsSync(join(home, 'pwned')) };
  } finally {
    rmSync(home, { recursive: true });
  }
}

describe('completion scripts', () => {
  it.skipIf(!has('bash'))(
    'the completion script for bash offers words, may be read twice, and runs nothing that was typed',
    () => {
      const script = `source <(cairn completion bash); source <(cairn completion bash)
      ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cairn; echo "\${COMPREPLY[@]}"; }
      ask cairn push --dig; ask cairn push '$(touch pwned)' --compress al; complete -p cairn
      ask cairn job run ''; ask cairn job run --file nothing.toml ''`;
      expect(inShell('bash', ['--norc', '-c', script])).toMatchObject({
        stdout: '--digest\nalways\ncomplete -F _cairn cairn\nhome work\n\n',
        wasRun: false,
      });
    },
  );

  it.skipIf(!has('fish'))(
    'the completion script for fish offers words, and runs nothing that was typed',
    () => {
      const script = `cairn completion fish | source; complete -C 'cairn push --dig'; complete -C 'cairn push "(touch pwned)" --compress al'; complete -C 'cairn job run h'`;
      const { stdout, wasRun } = inShell('fish', ['--no-config', '-c', script]);
      expect(stdout).toMatch(/^--digest\t.*\nalways\nhome\tpush to http:\/\/h\/u\n$/);
      expect(wasRun).toBe(false);
    },
  );

  it.skipIf(!has('zsh'))('the completion script for zsh can be read', () => {
    const script = 'autoload -U compinit; compinit -u; source <(cairn completion zsh); print $_comps[cairn]';
    expect(inShell('zsh', ['-f', '-c', script]).stdout).toBe('_cairn\n');
  });
});
