/** A session that is told to commit and to abort at the same time ends one way, and not both. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunkCountOf, directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, type Answer, call, KINDS, openPush, openScene } from './by-hand.ts';

describe.each(KINDS)('over %s', (kind) => {
  test('a session that is aborted publishes nothing, whenever its commit came', async () => {
    const scene = await openScene(kind);
    const items = [directory(''), file('a', 'small'), file('b', 150_000)];
    const outcomes = new Set<string>();
    for (let round = 0; round < 60; round += 1) {
      const transfer = transferOf(scene.stores.content, `tree-${round}`, items);
      const session = await openPush(scene, transfer);
      for (let chunk = 0; chunk < chunkCountOf(transfer); chunk += 1) await session.putChunk(chunk);
      const abort = async (): Promise<Answer> => {
        await delay((round % 30) / 4);
        return session.call('DELETE', '');
      };
      const isAbortFirst = round % 3 === 0;
      const [aborted, committed] = isAbortFirst
        ? await Promise.all([session.call('DELETE', ''), session.commit()])
        : await Promise.all([abort(), session.commit()]);
      expect([committed.status, aborted.status], committed.body.toString()).not.toContain(500);
      const wasAborted = aborted.status === 200;
      expect(committed.status === 200).toBe(!wasAborted);
      // Publishing that went on behind the abort would be over by then.
      if (wasAborted) await delay(10);
      const there = await call(scene, 'GET', `/tree-${round}/b`, { token: ALICE });
      expect(there.status).toBe(wasAborted ? 404 : 200);
      outcomes.add(wasAborted ? 'aborted' : 'committed');
    }
    expect([...outcomes].toSorted()).toEqual(['aborted', 'committed']);
  });
});
