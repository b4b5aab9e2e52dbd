import { formatBytes } from '../../src/base/byte-text.ts';
import path from 'node:path';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import type { Authorization } from '../../src/session/authorization.ts';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { createFileState } from '../../src/storage/state/files/file-state.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../src/storage/state/objects/object-state.ts';
import { createUsageLedger, openUsageLedger } from '../../src/server/core/quota/usage-ledger.ts';
import {
  codeOf,
  file,
  directory,
  stream,
  symlink,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import {
  ALICE,
  BOB,
  call,
  establish,
  establishRequest,
  interceptChunks,
  KINDS,
  openPush,
  openScene,
  raw,
  type Answer,
  type Scene,
} from './by-hand.ts';

const CHUNK = 65_536;

/** One owner with two tokens, each with a quota of its own. */
function tokens(first: Authorization['quota'], second?: Authorization['quota']): Authenticator[] {
  const of = (secret: string, name: string, quota: Authorization['quota']): Authenticator =>
    createStaticToken(secret, {
      id: `token:${name}`,
      principal: 'alice',
      ...(quota === undefined ? {} : { quota }),
    });
  return [of(ALICE, 'first', first), of(BOB, 'second', second)];
}

function sample(scene: Scene, target: string, sizeBytes = 2 * CHUNK): SampleTransfer {
  return transferOf(scene.stores.content, target, [directory(''), file('a', sizeBytes)]);
}

function ask(scene: Scene, target: string, token = ALICE): Promise<Answer> {
  const request = establishRequest(sample(scene, target), 'push', `/${target}`);
  return call(scene, 'POST', '/.cairn/v1/sessions', { token, body: JSON.stringify(request) });
}

async function pushAll(scene: Scene, transfer: SampleTransfer): Promise<Answer> {
  const session = await openPush(scene, transfer);
  for (let chunk = 0; chunk < 2; chunk++) await session.putChunk(chunk);
  return session.commit();
}

describe.each(KINDS)('quotas over %s', (kind) => {
  test('a quota of sessions limits unfinished ones, also when many clients ask at once', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ sessions: 2 }) });
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((target) => ask(scene, target)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 403, 403]);
    const refused = answers.find(({ status }) => status === 403)!;
    expect(refused.json).toMatchObject({
      code: 'quota-exceeded',
      detail: expect.stringContaining('may have 2 unfinished transfers at a time, and has 2'),
      details: { quota: 'sessions', limit: 2, used: 2 },
    });
    // The other token of the same owner has a quota of its own.
    expect((await ask(scene, 'e', BOB)).status).toBe(201);
    const { json: grant } = answers.find(({ status }) => status === 201)!;
    const headers = { 'cairn-credential': grant.credential, 'cairn-epoch': '1' };
    await call(scene, 'DELETE', `/.cairn/v1/sessions/${grant.session}`, { headers });
    expect((await ask(scene, 'f')).status).toBe(201);
    await scene.restart();
    expect((await ask(scene, 'g')).json.code).toBe('quota-exceeded');
  });

  test('a quota of bytes counts manifests beyond a mebibyte, of all unfinished pushes together', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 1 }) });
    const wide = (target: string): SampleTransfer => {
      const names = Array.from({ length: 2600 }, (_, at) =>
        directory(`${String(at).padStart(9, '0')}${'d'.repeat(200)}`),
      );
      return transferOf(scene.stores.content, target, [directory(''), ...names]);
    };
    const first = await establish(scene, wide('a'));
    expect((await first.sendManifest()).status).toBe(200);
    const second = await establish(scene, wide('b'));
    const refused = await second.sendManifest();
    expect([refused.status, refused.json.code]).toEqual([403, 'quota-exceeded']);
    await first.call('DELETE', '');
    expect((await second.sendManifest()).status).toBe(200);
  });

  test('a quota of bytes ends a manifest without a length before all of it has come', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 1 }) });
    const session = await establish(scene, sample(scene, 'x'));
    const entries = Array.from({ length: 8000 }, (_, at) => directory(`${at}`.padStart(250, 'd')));
    const { manifest } = transferOf(scene.stores.content, 'x', [directory(''), ...entries]);
    const text = [...encodeTree(manifest)].join('');
    const begun = text.slice(0, text.lastIndexOf('\n', text.length - 1000) + 1);
    const head = [
      `PUT /.cairn/v1/sessions/${session.terms.session}/manifest HTTP/1.1`,
      'Host: a',
      ...Object.entries(session.headers).map(([name, value]) => `${name}: ${value}`),
      'Transfer-Encoding: chunked',
      '',
      `${begun.length.toString(16)}\r\n${begun}\r\n`,
    ];
    expect(await raw(scene, head.join('\r\n'))).toContain('"code":"quota-exceeded"');
  });

  test('a quota of bytes counts the targets of links that are carried, and charges them once', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 100 }) });
    const links = (target: string): SampleTransfer =>
      transferOf(scene.stores.content, target, [directory(''), symlink('a', 't'.repeat(60))]);
    const first = await openPush(scene, links('a'));
    expect((await first.commit()).status).toBe(200);
    const second = await establish(scene, links('b'));
    await second.sendManifest();
    expect((await second.sendPlan()).json.code).toBe('quota-exceeded');
    // What is there already is brought by nobody.
    expect((await second.sendPlan({ have: [1, 1], attributes: [] })).status).toBe(200);
  });

  test('a quota of entries limits all unfinished transfers of one owner', async () => {
    const scene = await openScene(kind, { limits: { maxEntriesPerPrincipal: 5 } });
    const first = await openPush(scene, sample(scene, 'a'));
    const second = await openPush(scene, sample(scene, 'b'));
    const third = await establish(scene, sample(scene, 'c'));
    const refused = await third.sendManifest();
    expect(refused.json).toMatchObject({
      code: 'quota-exceeded',
      details: { quota: 'entries', limit: 5, used: 4 },
    });
    await first.call('DELETE', '');
    expect((await third.sendManifest()).status).toBe(200);
    await second.call('DELETE', '');
    await scene.restart();
    expect((await (await establish(scene, sample(scene, 'd'))).sendManifest()).status).toBe(200);
  });

  test('a quota of bytes that is exceeded refuses the plan, before a byte is sent', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 3 * CHUNK }) });
    const first = await openPush(scene, sample(scene, 'one'));
    const second = await establish(scene, sample(scene, 'two'));
    await second.sendManifest();
    const refused = await second.sendPlan();
    expect([refused.status, refused.json.code]).toEqual([403, 'quota-exceeded']);
    expect(refused.json.detail).toContain(`may push ${formatBytes(3 * CHUNK)} in all: 0 B were published`);
    await first.call('DELETE', '');
    expect((await second.sendPlan()).status).toBe(200);
  });

  test('a quota of bytes counts published bytes once, also over a restart', async () => {
    const ledger = createUsageLedger();
    const authenticators = tokens({ bytes: 5 * CHUNK });
    const scene = await openScene(kind, { authenticators, usage: ledger });
    const session = await openPush(scene, sample(scene, 'one'));
    for (let chunk = 0; chunk < 2; chunk++) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
    expect(ledger.publishedBytes('token:first')).toBe(2 * CHUNK);
    expect((await pushAll(scene, sample(scene, 'two'))).status).toBe(200);
    await scene.restart();
    const third = await establish(scene, sample(scene, 'three'));
    await third.sendManifest();
    expect((await third.sendPlan()).json).toMatchObject({
      code: 'quota-exceeded',
      details: { quota: 'bytes', limit: 5 * CHUNK, used: 4 * CHUNK, bytes: 2 * CHUNK },
    });
  });

  test('a quota of bytes ends a stream in the middle, and keeps its bytes for a token with a larger quota', async () => {
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 2 * CHUNK }) });
    const bytes = Buffer.alloc(2 * CHUNK + 9, 'x');
    const transfer = transferOf(scene.stores.content, 'streamed', [stream(bytes)]);
    const session = await establish(scene, transfer);
    await session.sendManifest();
    await session.sendPlan();
    const full = transferOf(scene.stores.content, 'streamed', [file('', bytes.length)]);
    const shaped = Object.assign(session, { transfer: { ...transfer, layout: full.layout } });
    for (const chunk of [0, 1]) expect((await shaped.putChunk(chunk)).status).toBe(200);
    expect((await shaped.putChunk(2)).json.code).toBe('quota-exceeded');
    expect((await shaped.commit()).json.code).toBe('chunks-missing');
    expect((await shaped.resume(BOB)).status).toBe(200);
    expect((await shaped.putChunk(2)).status).toBe(200);
    expect((await shaped.commit()).status).toBe(200);
  });

  test('a quota is checked again at the commit, and the session stays open if it is exceeded', async () => {
    const ledger = createUsageLedger();
    const scene = await openScene(kind, { authenticators: tokens({ bytes: 3 * CHUNK }), usage: ledger });
    const session = await openPush(scene, sample(scene, 'one'));
    for (let chunk = 0; chunk < 2; chunk++) await session.putChunk(chunk);
    await ledger.charge('a session of another server', [{ id: 'token:first' }], 2 * CHUNK);
    expect((await session.commit()).json.code).toBe('quota-exceeded');
    expect((await session.post('POST', 'sync')).status).toBe(200);
    expect((await session.resume(BOB)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
    expect(ledger.publishedBytes('token:second')).toBe(0);
  });

  test('a session cannot pass to a token whose quota it exceeds', async () => {
    const scene = await openScene(kind, { authenticators: tokens(undefined, { bytes: CHUNK }) });
    const session = await openPush(scene, sample(scene, 'one'));
    expect((await session.resume(BOB)).json.code).toBe('quota-exceeded');
    const renewed = await session.call('POST', 'heartbeat', { token: BOB, body: '{}' });
    expect(renewed.json.code).toBe('quota-exceeded');
    expect((await session.resume()).status).toBe(200);
  });

  test('an owner without a quota still has a limit of sessions', async () => {
    const authenticators = tokens(undefined);
    const scene = await openScene(kind, { authenticators, limits: { maxSessionsPerPrincipal: 2 } });
    const answers = [await ask(scene, 'a'), await ask(scene, 'b', BOB), await ask(scene, 'c')];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 403]);
    expect(answers[2]!.json.detail).toContain('one owner may have 2 unfinished transfers');
  });
});

describe('tokens that end during a commit', () => {
  test.each([
    ['expired', 'token-expired'],
    ['revoked', 'token-revoked'],
  ] as const)(
    'a token that is %s during the commit of its push is noticed, and another token commits',
    async (how, code) => {
      const events = { onSync: (): void => undefined, isRevoked: false };
      const [first, second] = [
        createStaticToken(ALICE, {
          id: 'token:first',
          principal: 'alice',
          expiresAtMs: Date.now() + 3_600_000,
        }),
        createStaticToken(BOB, { id: 'token:second', principal: 'alice' }),
      ];
      const revocable: Authenticator = {
        authenticate: (evidence) => first.authenticate(evidence),
        stands: ({ id }) => (id === 'token:first' ? !events.isRevoked : undefined),
      };
      const scene = await openScene('local disk', {
        authenticators: [revocable, second],
        wrap: (content) =>
          interceptChunks(content, (chunks) => ({
            sync: () => {
              events.onSync();
              return chunks.sync();
            },
          })),
      });
      // No sync point comes before that of the commit.
      const session = await openPush(scene, sample(scene, 'one'), { sync: 'close' });
      for (let chunk = 0; chunk < 2; chunk++) await session.putChunk(chunk);
      events.onSync = () => {
        if (how === 'revoked') events.isRevoked = true;
        else scene.clock.aheadMs = 2 * 3_600_000;
      };
      expect((await session.commit()).json.code).toBe(code);
      expect((await session.resume(BOB)).status).toBe(200);
      expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([0, 2]);
      expect((await session.commit()).status).toBe(200);
    },
  );
});

describe('the ledger', () => {
  test('the ledger is durable, private, and counts a commit once that is done again after a crash', async () => {
    const state = temporaryDirectory();
    const ledger = await openUsageLedger(createFileState(state));
    await ledger.charge('s1', [{ id: 'token:a' }, { id: 'grant:b', expiresAtMs: Date.now() + 1e6 }], 10);
    expect(statSync(path.join(state, 'usage.json')).mode & 0o777).toBe(0o600);
    const again = await openUsageLedger(createFileState(state));
    expect(again.isCounted('s1')).toBe(true);
    await again.charge('s1', [{ id: 'token:a' }], 10);
    await again.charge('s2', [{ id: 'token:a' }], 5);
    expect([again.publishedBytes('token:a'), again.publishedBytes('grant:b')]).toEqual([15, 10]);
    again.settle((session) => session === 's1');
    await again.charge('s3', [{ id: 'token:a' }], 1);
    expect(JSON.parse(readFileSync(path.join(state, 'usage.json'), 'utf8')).counted).toEqual(['s2', 's3']);
  });

  test('the ledger writes again what could not be written, and counts it once', async () => {
    let isFull = true;
    const state = createObjectState(createMemoryObjects());
    const ledger = await openUsageLedger({
      ...state,
      compareAndSet: (key, version, text) => {
        if (isFull) throw new Error('the disk is full');
        return state.compareAndSet(key, version, text);
      },
    });
    await expect(ledger.charge('s1', [{ id: 'a' }], 10)).rejects.toThrow('full');
    isFull = false;
    await ledger.charge('s1', [{ id: 'a' }], 10);
    await ledger.charge('s1', [{ id: 'a' }], 10);
    const { text } = (await state.get('a/usage'))!;
    expect(JSON.parse(text)).toEqual({ version: 1, published: [{ id: 'a', bytes: 10 }], counted: ['s1'] });
  });

  test('the ledger removes tokens that expired long ago, and a damaged one is refused', async () => {
    const state = temporaryDirectory();
    let nowMs = 1e12;
    const ledger = await openUsageLedger(createFileState(state), { now: () => nowMs });
    await ledger.charge('s1', [{ id: 'grant:old', expiresAtMs: nowMs + 1000 }], 10);
    nowMs += 31 * 86_400_000;
    await ledger.charge('s2', [{ id: 'token:a' }], 1);
    expect(readFileSync(path.join(state, 'usage.json'), 'utf8')).not.toContain('grant:old');
    writeFileSync(
      path.join(state, 'usage.json'),
      '{"version":1,"published":[{"id":"a","bytes":-1}],"counted":[]}',
    );
    expect(await codeOf(() => openUsageLedger(createFileState(state)))).toBe('config-invalid');
  });
});
