/** Metadata from the other side that was not agreed, or must not be set. */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { grant, json, setTrap } from './support/liar.ts';
import { writeFileSync } from 'node:fs';

const OWNED = { gid: 0, uid: 0 };
const SHA = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A tree of version 2. */
function treeOf(kinds: readonly string[], ...lines: unknown[]): string {
  const text = [['cairn-manifest', 2, 65_536, 'xxh64', kinds], ...lines]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
  return `${text}["end","${SHA(text)}"]\n`;
}

/** Establishes a push by hand; answers what PUT of a manifest says. */
async function pushByHand(
  server: { readonly url: string; readonly token: string },
  wished: readonly string[],
  manifest: string,
): Promise<{ agreed: unknown; code: unknown }> {
  const root = `${server.url}/.cairn/v1`;
  const established = await fetch(`${root}/sessions`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${server.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      protocol: { major: 1, minor: 0 },
      direction: 'push',
      target: '/t',
      digests: ['xxh64'],
      chunkSizeBytes: 65_536,
      parallel: 1,
      metadata: wished,
    }),
  });
  const session = (await established.json()) as Record<string, unknown>;
  const answer = await fetch(`${root}/sessions/${String(session['session'])}/manifest`, {
    method: 'PUT',
    headers: { 'cairn-credential': String(session['credential']), 'cairn-epoch': '1' },
    body: manifest,
  });
  const reply = (await answer.json()) as Record<string, unknown>;
  return { agreed: session['metadata'], code: reply['code'] };
}

it('a server takes no owners from a client when its operator has not allowed them', async () => {
  const server = await startDiskServer();
  const line = ['f', 'cron', 0, 0o755, '0', OWNED];
  const asked = await pushByHand(
    server,
    ['owner', 'group', 'acls', 'names'],
    treeOf(['group', 'owner'], line),
  );
  expect(asked).toEqual({ agreed: undefined, code: 'manifest-invalid' });
  expect(existsSync(path.join(server.root, 't'))).toBe(false);
});

it.each([
  [
    'more kinds than were agreed',
    ['xattrs'],
    treeOf(['owner', 'xattrs'], ['f', 'a', 0, 420, '0', { uid: 0 }]),
  ],
  ['fewer kinds', ['owner', 'xattrs'], treeOf(['owner'], ['f', 'a', 0, 420, '0', { uid: 0 }])],
  [
    'an attribute of root',
    ['xattrs'],
    treeOf(['xattrs'], ['f', 'a', 0, 420, '0', { xattrs: [['security.capability', 'AA==']] }]),
  ],
  [
    'a link to a later entry',
    ['hard-links'],
    treeOf(['hard-links'], ['h', 'a', 'b'], ['f', 'b', 0, 420, '0']),
  ],
  ['a link to itself', ['hard-links'], treeOf(['hard-links'], ['h', 'a', 'a'])],
  [
    'the owner that means "as it is"',
    ['owner'],
    treeOf(['owner'], ['f', 'a', 0, 420, '0', { uid: 2 ** 32 - 1 }]),
  ],
])('a server refuses a manifest with %s', async (_what, wished, manifest) => {
  const server = await startDiskServer({ extraArgs: ['--allow-owners'] });
  expect((await pushByHand(server, wished, manifest)).code).toBe('manifest-invalid');
});

it('a server refuses a hard link out of the tree as an unsafe path', async () => {
  const server = await startDiskServer();
  const manifest = treeOf(['hard-links'], ['f', 'a', 0, 420, '0'], ['h', 'b', '../../etc/shadow']);
  expect((await pushByHand(server, ['hard-links'], manifest)).code).toBe('path-unsafe');
});

it('a client that wants metadata refuses an older server before it asks for a session', async () => {
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'a'), 'x');
  const trap = await setTrap(() => false);
  const options = { ...trap.options, metadata: ['owner', 'xattrs'] as const };
  const refusal = {
    code: 'version-unsupported',
    message: expect.stringContaining('owners, extended attributes') as string,
  };
  await expect(push([source], options)).rejects.toMatchObject(refusal);
  await expect(pull(trap.destination, options)).rejects.toMatchObject(refusal);
  expect(trap.asked.filter(({ line }) => line.includes('sessions'))).toEqual([]);
});

it.each([
  ['that nobody asked for', [] as const, ['owner']],
  ['of more kinds than were asked for', ['xattrs'] as const, ['owner', 'xattrs']],
])('a client refuses metadata of a server %s', async (_what, wished, sent) => {
  const manifest = treeOf(sent, ['d', '', 493, '0', { uid: 0 }], ['f', 'a', 0, 420, '0', { uid: 4242 }]);
  const hello = {
    server: 'cairn',
    version: '1',
    protocol: { major: 1, minor: 0 },
    metadata: { push: sent, pull: sent },
  };
  const trap = await setTrap(({ method, route, response }) => {
    if (route === '' && method === 'GET') json(response, hello);
    else if (route === 'sessions') json(response, grant({ metadata: sent }), 201);
    else if (route?.endsWith('/manifest') === true)
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).end(manifest);
    else return false;
    return true;
  });
  await expect(pull(trap.destination, { ...trap.options, metadata: wished })).rejects.toMatchObject({
    code: 'manifest-invalid',
  });
  expect(statSync(trap.destination, { throwIfNoEntry: false })?.isFile()).not.toBe(true);
  trap.expectNothingOutside();
});
