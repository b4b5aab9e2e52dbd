/** Root with the state home of another user, as with `sudo -E`. */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canChown, STRANGER } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

it.skipIf(!canChown)(
  'root keeps its checkpoints apart in the state directory of another user (needs root)',
  async () => {
    const server = await startDiskServer();
    const stateHome = path.join(temporaryDirectory(), 'state');
    mkdirSync(path.join(stateHome, 'transfers'), { recursive: true });
    for (const directory of [stateHome, path.join(stateHome, 'transfers')]) {
      chmodSync(directory, 0o755);
      chownSync(directory, STRANGER, STRANGER);
    }
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, 'content');
    const pushed = await cairn(['push', '-q', file, `${server.url}/file`], {
      stateHome,
      token: server.token,
    });
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(readFileSync(path.join(server.root, 'file'), 'utf8')).toBe('content');
    expect(existsSync(path.join(stateHome, 'user-0'))).toBe(true);
  },
);
