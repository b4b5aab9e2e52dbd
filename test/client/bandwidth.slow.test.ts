import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { limitBandwidth } from '../../src/client/http/bandwidth.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { openScene } from './support/scene.ts';

const MIB = 2 ** 20;
const SIZE = 24 * MIB;

async function* piecesOf(...lengths: number[]): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(Math.max(...lengths));
  for (const [index, length] of lengths.entries()) {
    buffer.fill(index + 1);
    yield buffer.subarray(0, length);
  }
}

describe('bandwidth limiters', () => {
  test('a bandwidth limiter passes every byte on, in order, also where its source reuses one buffer', async () => {
    const { paced } = limitBandwidth(() => 40 * MIB);
    const slices: Uint8Array[] = [];
    for await (const slice of paced(piecesOf(MIB, 10, 300_000), undefined)) slices.push(slice);
    const whole = Buffer.concat(slices);
    expect(whole.length).toBe(MIB + 10 + 300_000);
    expect([whole[0], whole[MIB - 1], whole[MIB], whole[MIB + 10], whole.at(-1)]).toEqual([1, 1, 2, 3, 3]);
  });

  test('a bandwidth limiter is shared by all that pass through it', async () => {
    const { paced } = limitBandwidth(() => 4 * MIB);
    const since = performance.now();
    await Promise.all(
      [1, 2, 3, 4].map(async () => {
        for await (const _ of paced(piecesOf(MIB), undefined));
      }),
    );
    // A limit for each of them would be over in a quarter of a second.
    expect(performance.now() - since).toBeGreaterThan(600);
  });

  test('a bandwidth limiter ends with the reason of its signal when that is aborted', async () => {
    const { paced } = limitBandwidth(() => 1024);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 50);
    const read = async (): Promise<void> => {
      for await (const _ of paced(piecesOf(MIB), controller.signal));
    };
    await expect(read()).rejects.toThrow('enough');
  });

  test.each(['push', 'pull'] as const)(
    'a bandwidth limit holds for a %s over many connections, and can be lifted while it runs',
    async (direction) => {
      const scene = await openScene('disk');
      const file = path.join(direction === 'push' ? temporaryDirectory() : scene.root, 'file');
      const arrived = path.join(direction === 'push' ? scene.root : temporaryDirectory(), 'file');
      writeRandomFile(file, SIZE);
      const sinceMs = performance.now();
      // In all it would take six minutes, which is longer than a test may.
      const rate = 64 * 1024;
      let isLifted = false;
      const bandwidth = (): number | undefined => (isLifted ? undefined : rate);
      const options = scene.options('/file', { bandwidth, parallel: 8 });
      const running = direction === 'push' ? push([file], options) : pull(arrived, options);
      const moved = (): number =>
        scene.events.reduce((sum, event) => sum + (event.type === 'bytes' ? event.bytes : 0), 0);
      while (moved() < 2 * rate) {
        await sleep(5);
        expect(moved()).toBeLessThan(((performance.now() - sinceMs) / 1000) * rate * 1.15 + rate);
      }
      isLifted = true;
      await running;
      expect(digestOf(arrived)).toBe(digestOf(file));
    },
  );
});
