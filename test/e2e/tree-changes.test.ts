/** `cairn rm`, `mv` and `mkdir` as real processes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

test('cairn rm, mv and mkdir do what their namesakes do, several at a time, with the exit code of the first failure', async () => {
  const server = await startDiskServer();
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const run = (...words: string[]) => cairn(words, environment);
  const at = (name: string): string => path.join(server.root, name);
  mkdirSync(at('d'));
  for (const name of ['a', 'b', 'd/f']) writeFileSync(at(name), name);
  const [a, b, d, none] = ['a', 'b', 'd', 'none'].map((name) => `${server.url}/${name}`) as [
    string,
    string,
    string,
    string,
  ];

  expect(await run('mkdir', '-p', '--json', `${server.url}/x/y`, `${server.url}/z`)).toMatchObject({
    exitCode: 0,
    last: { type: 'summary', changed: 2, failed: 0 },
  });
  expect(existsSync(at('x/y'))).toBe(true);
  expect(await run('mv', a, `${server.url}/z/`)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(at('z/a'), 'utf8')).toBe('a');
  expect(await run('mv', b, `${server.url}/z/a`)).toMatchObject({ exitCode: 2 });
  expect(await run('mv', '-f', b, `${server.url}/z/a`)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(at('z/a'), 'utf8')).toBe('b');

  const some = await run('rm', '--json', none, d, `${server.url}/z/a`);
  expect(some).toMatchObject({
    exitCode: 4,
    last: { type: 'summary', changed: 1, failed: 2, code: 'not-found', exitCode: 4 },
  });
  expect(existsSync(at('z/a'))).toBe(false);
  expect(existsSync(at('d/f'))).toBe(true);
  expect(await run('rm', '-r', '-f', '--json', none, d)).toMatchObject({
    exitCode: 0,
    last: { changed: 1, failed: 0, code: 'ok' },
  });
  expect(existsSync(at('d'))).toBe(false);
  expect(await run('rm', '-r', `${server.url}/`)).toMatchObject({ exitCode: 6 });
  expect(await run('rm')).toMatchObject({ exitCode: 2 });
});
