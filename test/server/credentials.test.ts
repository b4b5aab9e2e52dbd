import { describe, expect, test } from 'vitest';
import { directory, file, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { ALICE, call, KINDS, openPush, openScene, type HandSession, type Scene } from './by-hand.ts';

const STRAGGLER_MS = 30_000;

function sample(scene: Scene): SampleTransfer {
  return transferOf(scene.stores.content, 'in', [directory(''), file('a', 3 * 65_536)]);
}

async function resumeWith(session: HandSession, credential: string | undefined): Promise<unknown[]> {
  const headers = credential === undefined ? {} : { 'cairn-credential': credential };
  const target = `/.cairn/v1/sessions/${session.terms.session}/resume`;
  const answer = await call(session.scene, 'POST', target, { token: ALICE, headers, body: '{}' });
  if (answer.status === 200) session.terms = answer.json;
  return [answer.status, answer.json.code];
}

const codeOf = async (answer: ReturnType<HandSession['call']>): Promise<unknown> => (await answer).json.code;

describe.each(KINDS)('credentials over %s', (kind) => {
  test('the credential of a session changes at every resume, and the last one is valid until the new one is used', async () => {
    const session = await openPush(await openScene(kind), sample(await openScene(kind)));
    const first = session.terms.credential;
    // Two answers in a row are lost: the client still has the first.
    expect(await resumeWith(session, first)).toEqual([200, undefined]);
    expect(await resumeWith(session, first)).toEqual([200, undefined]);
    expect(session.terms.credential).not.toBe(first);
    expect((await session.post('POST', 'heartbeat')).status).toBe(200);
    expect(await resumeWith(session, first)).toEqual([403, 'session-credential']);
  });

  test('a credential that was replaced is useless, the server notices its use, and the owner goes on', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const stolen = session.headers;
    await session.resume();
    await session.putChunk(0);
    // With the epoch that it was stolen in, soon: it may be a request that its own client had under way.
    expect(await codeOf(session.call('POST', 'heartbeat', { headers: stolen, body: '{}' }))).toBe(
      'session-fenced',
    );
    expect((await session.putChunk(1)).status).toBe(200);
    expect(scene.logged.join('\n')).not.toContain('was used again');
    // With the epoch of today nobody can have had it under way.
    const forged = { ...session.headers, 'cairn-credential': stolen['cairn-credential']! };
    expect(
      await codeOf(session.call('PUT', 'chunks/2', { headers: forged, body: session.chunkBody(2) })),
    ).toBe('session-credential');
    expect(scene.logged.join('\n')).toContain('was used again');
    expect(await codeOf(session.post('POST', 'heartbeat'))).toBe('session-suspended');
    expect((await session.resume()).status).toBe(200);
    expect((await session.putChunk(2)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
    expect(scene.logged.join('\n')).not.toContain(stolen['cairn-credential']);
  });

  test('a credential that was replaced a while ago is noticed with its own epoch, too, and only once', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const stolen = session.headers;
    await session.resume();
    await session.post('POST', 'heartbeat');
    scene.clock.aheadMs = STRAGGLER_MS + 1000;
    const use = (): Promise<unknown> =>
      codeOf(session.call('POST', 'heartbeat', { headers: stolen, body: '{}' }));
    expect(await use()).toBe('session-fenced');
    expect(await codeOf(session.post('POST', 'heartbeat'))).toBe('session-suspended');
    expect((await session.resume()).status).toBe(200);
    // A thief cannot keep the owner from working by showing it again and again.
    expect(await use()).toBe('session-fenced');
    expect((await session.post('POST', 'heartbeat')).status).toBe(200);
    const record = await scene.stores.sessions.get(session.terms.session);
    const moments = record!.history!.map(({ what }) => what);
    expect(moments).toEqual(['established', 'opened', 'resumed', 'credential-reused', 'resumed']);
  });

  test('the credential of a session survives a restart of the server', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const first = session.terms.credential;
    await resumeWith(session, first);
    await scene.restart();
    expect(await resumeWith(session, first)).toEqual([200, undefined]);
    await session.post('POST', 'heartbeat');
    await scene.restart();
    expect(await resumeWith(session, first)).toEqual([403, 'session-credential']);
    // An owner that has lost it proves by its token alone who it is.
    expect(await resumeWith(session, undefined)).toEqual([200, undefined]);
  });
});
