/** Tokens and grants that may push and not read: what they learn, and what they can do to what is there. */
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const WHEN = new Date('2024-05-06T07:08:09Z');

interface Scene {
  readonly server: DiskServer;
  readonly source: string;
  /** Runs a command with the secret of a token that has these scopes. */
  readonly run: (scopes: string, words: readonly string[]) => Promise<CliResult>;
}

/** A server with something at `/box`, and a source that has the same names. */
async function openScene(): Promise<Scene> {
  const server = await startDiskServer();
  const source = temporaryDirectory();
  mkdirSync(path.join(server.root, 'box'));
  for (const [name, there, here] of [
    ['same', 'same text', 'same text'],
    ['other', 'old text', 'new text!'],
    ['pin', 'pin=739204', 'pin=000000'],
  ] as const) {
    writeFileSync(path.join(server.root, 'box', name), there);
    writeFileSync(path.join(source, name), here);
    for (const file of [path.join(server.root, 'box', name), path.join(source, name)])
      utimesSync(file, WHEN, WHEN);
  }
  writeFileSync(path.join(source, 'only-here'), 'new');
  const tokens = new Map<string, string>();
  const run = async (scopes: string, words: readonly string[]): Promise<CliResult> => {
    const stateHome = temporaryDirectory();
    let token = tokens.get(scopes);
    if (token === undefined) {
      const name = scopes.replaceAll(',', '-');
      const made = ['token', 'create', name, '--root', server.root, '--scope', scopes];
      token = (await cairn(made, { stateHome })).stdout.toString().trim();
      tokens.set(scopes, token);
    }
    return cairn(words, { stateHome, token });
  };
  return { server, source, run };
}

const textOf = (scene: Scene, name: string): string =>
  readFileSync(path.join(scene.server.root, 'box', name), 'utf8');

describe('tokens that may push', () => {
  test('a token that may push, and not read or list, sends everything and replaces files', async () => {
    const scene = await openScene();
    const pushed = await scene.run('write', ['push', '--json', scene.source, `${scene.server.url}/box`]);
    expect(pushed).toMatchObject({ exitCode: 0, last: { bytesSent: 9 + 9 + 10 + 3, bytesSkipped: 0 } });
    expect([textOf(scene, 'other'), textOf(scene, 'pin')]).toEqual(['new text!', 'pin=000000']);
    const again = await scene.run('write', [
      'push',
      '--json',
      '--checksum',
      scene.source,
      `${scene.server.url}/box`,
    ]);
    expect(again).toMatchObject({ exitCode: 0, last: { bytesSkipped: 0 } });
  });

  test('a token that may push and list compares by size and time, and not by contents', async () => {
    const scene = await openScene();
    const words = ['push', '--json', scene.source, `${scene.server.url}/box`];
    expect((await scene.run('write,list', words)).last).toMatchObject({ bytesSent: 9 + 3 });
    const checked = await scene.run('write,list', ['push', '--checksum', ...words.slice(1)]);
    expect(checked).toMatchObject({ exitCode: 0, last: { bytesSkipped: 0 } });
    expect(textOf(scene, 'pin')).toBe('pin=000000');
  });

  test('a token that may push and read finds equal files', async () => {
    const scene = await openScene();
    const words = ['push', '--json', '--checksum', scene.source, `${scene.server.url}/box`];
    expect((await scene.run('write,read', words)).last).toMatchObject({ bytesSkipped: 9 });
  });
});

describe('tokens that only append', () => {
  test.each(['append', 'append,list', 'append,list,read'])(
    'a token of scope %s adds, names what it leaves out, and replaces nothing',
    async (scopes) => {
      const scene = await openScene();
      const pushed = await scene.run(scopes, [
        'push',
        '--json',
        '--checksum',
        '--force-replace',
        scene.source,
        `${scene.server.url}/box`,
      ]);
      expect(pushed.exitCode).toBe(3);
      const named = pushed.lines.filter(({ type }) => type === 'warning').map(({ path: name }) => name);
      expect(named).toContain('other');
      expect(['same', 'other', 'pin'].map((name) => textOf(scene, name))).toEqual([
        'same text',
        'old text',
        'pin=739204',
      ]);
      expect(textOf(scene, 'only-here')).toBe('new');
      const single = await scene.run(scopes, [
        'push',
        '--json',
        path.join(scene.source, 'other'),
        `${scene.server.url}/box/other`,
      ]);
      expect(single).toMatchObject({ exitCode: 6, last: { code: 'destination-exists' } });
      expect(textOf(scene, 'pin')).toBe('pin=739204');
    },
  );
});

describe('drop boxes', () => {
  test('a drop box takes everything under names of its own, and reveals nothing', async () => {
    const scene = await openScene();
    const words = ['push', '--json', scene.source, `${scene.server.url}/box`];
    const first = await scene.run('drop', words);
    expect(first).toMatchObject({ exitCode: 0, last: { bytesSkipped: 0 } });
    expect(first.stdout.toString()).not.toContain('(2)');
    expect(readdirSync(path.join(scene.server.root, 'box')).toSorted()).toEqual([
      'only-here',
      'other',
      'other (2)',
      'pin',
      'pin (2)',
      'same',
      'same (2)',
    ]);
    expect([textOf(scene, 'pin'), textOf(scene, 'pin (2)')]).toEqual(['pin=739204', 'pin=000000']);
    for (const scopes of ['drop', 'drop,list,read']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const again = await scene.run(scopes, words);
      expect(again).toMatchObject({ exitCode: 0, last: { bytesSkipped: 0 } });
    }
    expect(existsSync(path.join(scene.server.root, 'box/pin (4)'))).toBe(true);
  });

  test('a grant may be for a drop box, or for adding alone', async () => {
    const scene = await openScene();
    const stateHome = temporaryDirectory();
    const grant = async (how: string, token = scene.server.token): Promise<CliResult> =>
      cairn(['grant', how, `${scene.server.url}/box`], { stateHome, token });
    const drop = (await grant('--drop')).stdout.toString().trim();
    const append = (await grant('--append')).stdout.toString().trim();
    const push = (token: string): Promise<CliResult> =>
      cairn(['push', '--json', scene.source, `${scene.server.url}/box`], {
        stateHome: temporaryDirectory(),
        token,
      });
    expect((await push(append)).exitCode).toBe(3);
    expect((await push(drop)).exitCode).toBe(0);
    expect(textOf(scene, 'pin')).toBe('pin=739204');
    expect(textOf(scene, 'pin (2)')).toBe('pin=000000');
    const listed = await cairn(['grant', '--list', scene.server.url], {
      stateHome,
      token: scene.server.token,
    });
    expect(listed.stdout.toString()).toMatch(/append[\s\S]*drop|drop[\s\S]*append/);
    expect((await scene.run('append', ['grant', '--push', `${scene.server.url}/box`])).exitCode).toBe(6);
    expect((await scene.run('append', ['grant', '--drop', `${scene.server.url}/box`])).exitCode).toBe(0);
  });
});
