import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  ALICE,
  call,
  openPush,
  openScene,
  until,
  type Answer,
  type HandSession,
  type Scene,
} from '../../server/by-hand.ts';
import {
  chunkBytes,
  chunkCountOf,
  digestOf,
  directory,
  file,
  transferOf,
} from '../../suites/staged-transfer.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { Violation } from '../support/violation.ts';

const ITEMS = [directory(''), file('big', 200_000), file('small', 3000)];

/** A chunk of the right length with other bytes, and the digest that fits them. */
function otherBytes(session: HandSession, chunk: number): Buffer {
  const bytes = Buffer.from(chunkBytes(session.transfer, chunk)).fill(0x5a);
  return Buffer.concat([bytes, digestOf(session.transfer, bytes)]);
}

async function published(scene: Scene, target: string): Promise<Buffer | undefined> {
  const answer = await call(scene, 'GET', `/${target}/big`, { token: ALICE });
  return answer.status === 200 ? answer.body : undefined;
}

function checkNoBug(answers: readonly Answer[]): void {
  const bug = answers.find(({ status, json }) => status >= 500 || json?.code === 'internal');
  if (bug !== undefined) throw new Violation('unclear', `HTTP ${bug.status}: ${bug.body.toString()}`);
}

function checkWholeOrAbsent(bytes: Buffer | undefined, wanted: Buffer, where: string): void {
  if (bytes !== undefined && !bytes.equals(wanted))
    throw new Violation('mixture', `${where} is something that no digest covers`);
}

test('a chunk that is sent with different bytes at once is never published as a mixture', async () => {
  const scene = await openScene('local disk');
  const wanted = ITEMS[1]!.bytes;
  const name = 'requests: the same chunk twice with different bytes';
  const scale = { sample: 25, full: 2000, until: 'refused at the commit' };
  const report = await campaign('concurrency', name, scale, async (given) => {
    const { seed, random } = given;
    const session = await openPush(scene, transferOf(scene.stores.content, `same-${seed}`, ITEMS));
    const count = chunkCountOf(session.transfer);
    const requests: Promise<Answer>[] = [];
    for (let chunk = 0; chunk < count; chunk += 1) {
      const right = (): Promise<Answer> => session.putChunk(chunk);
      const wrong = (): Promise<Answer> =>
        session.call('PUT', `chunks/${chunk}`, {
          headers: { 'cairn-offset': '0' },
          body: otherBytes(session, chunk),
        });
      const order = random() < 0.5 ? [right, wrong] : [wrong, right];
      for (const send of order) {
        requests.push(send());
        if (random() < 0.5) await delay(random() * 4);
        if (random() < 0.2) requests.push(session.post('POST', 'sync'));
      }
      given.injected();
    }
    checkNoBug(await Promise.all(requests));
    const committed = await session.commit();
    checkNoBug([committed]);
    checkWholeOrAbsent(await published(scene, `same-${seed}`), wanted, 'what was published');
    if (committed.status !== 200) {
      given.add('refused at the commit', 1);
      // Every chunk again, right this time: the second one of two replaces the first.
      for (let chunk = 0; chunk < count; chunk += 1) checkNoBug([await session.putChunk(chunk)]);
      expect((await session.commit()).status).toBe(200);
    }
    const bytes = await published(scene, `same-${seed}`);
    if (bytes?.equals(wanted) !== true) throw new Violation('false-success', 'committed, and not there');
  });
  checkTotals(() => expect(report.figures['refused at the commit']).toBeGreaterThan(0));
  expect(await scene.stores.content.listStaging()).toEqual([]);
});

test('chunks, syncs, commits, resumes and aborts at the same time end the session one way', async () => {
  const scene = await openScene('local disk');
  const wanted = ITEMS[1]!.bytes;
  const before = readdirSync('/proc/self/fd').length;
  const name = 'requests: chunk against commit against abort';
  const report = await campaign('concurrency', name, { sample: 40, full: 4000 }, async (given) => {
    const { seed, random } = given;
    const target = `race-${seed}`;
    const session = await openPush(scene, transferOf(scene.stores.content, target, ITEMS));
    const count = chunkCountOf(session.transfer);
    if (random() < 0.7) for (let chunk = 0; chunk < count; chunk += 1) await session.putChunk(chunk);
    const later = async (send: () => Promise<Answer>): Promise<Answer> => {
      await delay(random() * 12);
      return send();
    };
    const commits = [later(() => session.commit()), later(() => session.commit())];
    const aborts = [later(() => session.call('DELETE', ''))];
    const others = [
      ...Array.from({ length: 4 }, () => later(() => session.putChunk(Math.floor(random() * count)))),
      later(() => session.post('POST', 'sync')),
      later(() => session.post('POST', 'heartbeat')),
      later(() => session.call('GET', 'checkpoint')),
    ];
    const answers = await Promise.all([...commits, ...aborts, ...others]);
    given.injected(answers.length);
    checkNoBug(answers);
    const [first, second, aborted] = answers as [Answer, Answer, Answer];
    const isCommitted = first.status === 200 || second.status === 200;
    if (isCommitted && aborted.status === 200)
      throw new Violation('unclear', 'the session was committed, and aborted as well');
    await delay(5);
    const bytes = await published(scene, target);
    checkWholeOrAbsent(bytes, wanted, target);
    if (aborted.status === 200 && bytes !== undefined)
      throw new Violation('outside', 'what was aborted is published');
    if (isCommitted && bytes === undefined) throw new Violation('false-success', 'committed, and not there');
    given.add(isCommitted ? 'committed' : aborted.status === 200 ? 'aborted' : 'neither', 1);
    if (!isCommitted && aborted.status !== 200) await session.call('DELETE', '');
  });
  checkTotals(() => {
    expect(report.figures['committed']).toBeGreaterThan(0);
    expect(report.figures['aborted']).toBeGreaterThan(0);
  });
  expect(await scene.stores.content.listStaging()).toEqual([]);
  await until(async () => readdirSync('/proc/self/fd').length <= before + 8);
});

test('a session whose lease ends while its client comes back either goes on or is gone, never both', async () => {
  const scene = await openScene('local disk', { leaseMs: 60_000, limits: { collectEveryMs: 10 } });
  const name = 'requests: the lease ends as the session is resumed';
  const scale = { sample: 25, full: 1500, until: 'went on' };
  const report = await campaign('concurrency', name, scale, async (given) => {
    const { seed, random } = given;
    const target = `lease-${seed}`;
    const session = await openPush(scene, transferOf(scene.stores.content, target, ITEMS));
    const count = chunkCountOf(session.transfer);
    for (let chunk = 0; chunk < count; chunk += 1) await session.putChunk(chunk);
    // Half of the lease goes by, and more than the rest of it while the client is on its way.
    scene.clock.aheadMs += 30_000;
    const jump = async (): Promise<void> => {
      await delay(random() * 8);
      scene.clock.aheadMs += 31_000;
    };
    const resume = async (): Promise<Answer> => {
      await delay(random() * 8);
      return session.resume();
    };
    const [, resumed] = await Promise.all([jump(), resume()]);
    given.injected();
    checkNoBug([resumed]);
    const committed = await session.commit();
    checkNoBug([committed]);
    const isGone = committed.json?.code === 'session-expired' || committed.json?.code === 'session-not-found';
    if (committed.status !== 200 && !isGone && committed.json?.code !== 'session-fenced')
      throw new Violation('unclear', `HTTP ${committed.status}: ${committed.body.toString()}`);
    await delay(5);
    const bytes = await published(scene, target);
    if ((committed.status === 200) !== (bytes !== undefined))
      throw new Violation(
        'mixture',
        `the commit said ${committed.status}, and there is ${bytes?.length ?? 'nothing'}`,
      );
    given.add(committed.status === 200 ? 'went on' : 'was gone', 1);
  });
  checkTotals(() => {
    expect(report.figures['went on']).toBeGreaterThan(0);
    expect(report.figures['was gone']).toBeGreaterThan(0);
  });
  await until(async () => (await scene.stores.content.listStaging()).length === 0);
});
