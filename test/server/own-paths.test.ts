import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CairnError, storageError } from '../../src/base/errors.ts';
import { discreetError, hidingPaths } from '../../src/server/core/own-paths.ts';
import { tellableError } from '../../src/server/http/reply.ts';
import { ALICE, call, establish, intercept, openScene } from './by-hand.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';

const hide = hidingPaths([
  { path: '/srv/secret', shownAs: '' },
  { path: '/srv/secret/.cairn', shownAs: '' },
  { path: '/var/lib/cairn (1)', shownAs: '(state)' },
]);

test.each([
  ['writing "/srv/secret/a/b"', 'writing "/a/b"'],
  ['opening the directory "/srv/secret"', 'opening the directory "/"'],
  ['writing "/srv/secret/.cairn/staging/x/p1"', 'writing "/staging/x/p1"'],
  ['"/var/lib/cairn (1)/usage.json", and /srv/secret: both', '"(state)/usage.json", and /: both'],
  ['/srv/secretary is another directory', '/srv/secretary is another directory'],
  ['"srv/secret/x" is a path of a client', '"srv/secret/x" is a path of a client'],
])('a client reads the text %j of the server as %j', (text, shown) => {
  expect(hide(text)).toBe(shown);
});

test('the details of an error have no path of the server, and its cause has all of it', () => {
  const error = new CairnError('storage-io', 'reading "/srv/secret/a"', {
    details: { path: '/srv/secret/a', chunk: 1, runs: [1, 2] },
  });
  const told = discreetError(error, hide);
  expect(told).toMatchObject({ code: 'storage-io', message: 'reading "/a"' });
  expect(told.details).toEqual({ path: '/a', chunk: 1, runs: [1, 2] });
  expect(told.cause).toBe(error);
});

test('an unexpected failure tells a client nothing, wherever it was wrapped', () => {
  const failure = new Error('open /elsewhere/x');
  const told = { code: 'internal', message: 'the server failed; its log says why' };
  expect(tellableError(failure, hide)).toMatchObject(told);
  expect(tellableError(storageError(failure, 'writing'), hide)).toMatchObject(told);
});

test('an answer of a server never names its root, whatever the error is', async () => {
  const root = path.join(temporaryDirectory(), 'secret-place');
  mkdirSync(root);
  const full = { on: false };
  const scene = await openScene('local disk', {
    root,
    ownDirectories: [{ path: root, shownAs: '' }],
    wrap: (content) =>
      intercept(content, {
        openStaging: async (id) => {
          const failure = Object.assign(new Error(`ENOSPC: write '${root}/.cairn'`), { code: 'ENOSPC' });
          if (full.on) throw storageError(failure, `writing "${root}/.cairn/staging/${id}"`);
          return content.openStaging(id);
        },
      }),
  });
  symlinkSync('elsewhere', path.join(root, 'link'));
  const answers: string[] = [];
  const headers = { authorization: `Bearer ${ALICE}` };
  for (const target of ['/link', '/link/below', `/${'n'.repeat(255)}/${'n'.repeat(255)}`]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const got = await call(scene, 'GET', target, { headers });
    // oxlint-disable-next-line no-await-in-loop
    const tree = await call(scene, 'GET', `/.cairn/v1/tree?path=${target}&recursive=1`, { headers });
    expect(got.status).toBeGreaterThanOrEqual(400);
    answers.push(got.body.toString(), tree.body.toString());
  }
  const { content } = scene.stores;
  const tree = transferOf(content, '', [directory(''), directory('link'), file('link/a', 10)]);
  const session = await establish(scene, tree);
  answers.push((await session.sendManifest()).body.toString());
  answers.push((await session.sendPlan()).body.toString());
  answers.push((await session.putChunk(0)).body.toString());
  answers.push((await session.commit()).body.toString());
  full.on = true;
  const later = await establish(scene, transferOf(content, 'x', [file('', 10)]));
  const refused = await later.sendManifest();
  expect(refused.status).toBe(507);
  answers.push(refused.body.toString());
  const sessions = await call(scene, 'GET', '/.cairn/v1/sessions', { headers });
  answers.push(sessions.body.toString());
  expect(answers.join('\n')).not.toContain('secret-place');
  expect(answers.join('\n')).toContain('while writing \\"/.cairn/staging');
});
