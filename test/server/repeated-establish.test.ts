import { expect, test } from 'vitest';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, BOB, call, establishRequest, KINDS, openScene, type Answer, type Scene } from './by-hand.ts';

const REQUEST_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

function ask(scene: Scene, changes: object = {}, token = ALICE): Promise<Answer> {
  const transfer = transferOf(scene.stores.content, 'in', [directory(''), file('a', 'small')]);
  const request = { ...establishRequest(transfer, 'push', '/in'), requestId: REQUEST_ID, ...changes };
  return call(scene, 'POST', '/.cairn/v1/sessions', { token, body: JSON.stringify(request) });
}

test.each(KINDS)(
  'a request for a session whose answer was lost gets the same session again over %s',
  async (kind) => {
    const scene = await openScene(kind);
    const first = await ask(scene);
    const again = await ask(scene);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.json).toMatchObject({
      session: first.json.session,
      epoch: 2,
      state: 'establishing',
      resumed: false,
    });
    const others = await Promise.all([ask(scene, { requestId: 'B'.repeat(22) }), ask(scene, {}, BOB)]);
    for (const other of others) {
      expect(other.status).toBe(201);
      expect(other.json.session).not.toBe(first.json.session);
    }
  },
);

test('tries of one request for a session that overlap make one session', async () => {
  const scene = await openScene('local disk');
  const answers = await Promise.all([ask(scene), ask(scene), ask(scene)]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201]);
  expect(new Set(answers.map(({ json }) => json.session)).size).toBe(1);
});

test('a request id that was used for another target is refused', async () => {
  const scene = await openScene('local disk');
  await ask(scene);
  const other = await ask(scene, { target: '/elsewhere' });
  expect([other.status, other.json.code]).toEqual([400, 'invalid-request']);
});
