/** State that somebody else has a hand in: no server starts with it, and none takes what was put there later. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { canChown, STRANGER } from '../support/requirements.ts';
import { cairn } from '../support/cli.ts';
import { temporaryDirectory } from '../support/trees.ts';

const SERVE = ['serve', '--listen', '127.0.0.1:0', '--json'] as const;

function place(): { root: string; serve: (...more: string[]) => ReturnType<typeof cairn> } {
  const home = temporaryDirectory();
  const root = path.join(home, 'root');
  mkdirSync(root);
  const environment = { stateHome: path.join(home, 'state'), before: ['timeout', '-k', '1', '10'] };
  return { root, serve: (...more) => cairn([...SERVE, '--root', root, ...more], environment) };
}

function strange(file: string): void {
  chownSync(file, STRANGER, STRANGER);
}

describe.skipIf(!canChown)('a server in the state of another user (needs root)', () => {
  it('a server does not start in a .cairn of another user, and names that user', async () => {
    const { root, serve } = place();
    mkdirSync(path.join(root, '.cairn'));
    chmodSync(path.join(root, '.cairn'), 0o777);
    strange(path.join(root, '.cairn'));
    const { exitCode, stderr } = await serve();
    expect(exitCode).toBe(6);
    expect(stderr).toContain(`it belongs to another user (number ${STRANGER}`);
    expect(stderr).toContain(`chown -R 0 ${path.join(root, '.cairn')}`);
  });

  it.each(['tokens.json', 'session-key', 'sessions'])(
    'a server does not start where another user has made %s in its state',
    async (name) => {
      const { root, serve } = place();
      const state = path.join(root, '.cairn');
      mkdirSync(state, { mode: 0o700 });
      if (name === 'sessions') mkdirSync(path.join(state, name));
      else writeFileSync(path.join(state, name), 'A'.repeat(43));
      strange(path.join(state, name));
      const { exitCode, stderr } = await serve();
      expect({ name, exitCode }).toEqual({ name, exitCode: 6 });
      expect(stderr).toContain(path.join(state, name));
    },
  );

  it('a server does not start with a state below a directory that all users may write', async () => {
    const { root, serve } = place();
    const shared = path.join(root, '../shared');
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    const { exitCode, stderr } = await serve('--state', path.join(shared, 'state'));
    expect(exitCode).toBe(6);
    expect(stderr).toContain('chmod go-w');
  });
});
