import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createConfirming } from '../../src/client/transfer/confirming.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function scene() {
  const told: [number, number][] = [];
  const over = new AbortController();
  const line: { unconfirmed: number | undefined } = { unconfirmed: 0 };
  const confirming = createConfirming(
    (chunk, bytes) => told.push([chunk, bytes]),
    async () => line.unconfirmed,
    over.signal,
  );
  const look = async (): Promise<void> => {
    vi.advanceTimersByTime(250);
    await turn();
  };
  return { told, line, confirming, look, over };
}

describe('bytes that a socket took', () => {
  it('bytes are reported as they leave this machine, those of older chunks first', async () => {
    const { told, line, confirming, look } = scene();
    confirming.sent(1, 100);
    confirming.sent(2, 100);
    line.unconfirmed = 150;
    await look();
    expect(told).toEqual([[1, 50]]);
    line.unconfirmed = 20;
    await look();
    expect(told.slice(1)).toEqual([
      [1, 50],
      [2, 80],
    ]);
  });

  it('bytes of a chunk are reported at once when that chunk is answered', () => {
    const { told, confirming } = scene();
    confirming.sent(1, 100);
    confirming.answered(1);
    expect(told).toEqual([[1, 100]]);
  });

  it('bytes of a broken connection are not reported until their chunk is answered', async () => {
    const { told, confirming, look } = scene();
    confirming.sent(1, 100);
    confirming.broken(1);
    await look();
    expect(told).toEqual([]);
    expect(confirming.lost(1, 70)).toBe(0);
    confirming.answered(1);
    expect(told).toEqual([[1, 30]]);
  });

  it('lost bytes are taken back only as far as they were reported', async () => {
    const { told, line, confirming, look } = scene();
    confirming.sent(1, 100);
    line.unconfirmed = 60;
    await look();
    expect(told).toEqual([[1, 40]]);
    expect(confirming.lost(1, 100)).toBe(40);
  });

  it('bytes are not reported as arrived when the transfer is over', async () => {
    const { told, confirming, look, over } = scene();
    confirming.sent(1, 100);
    over.abort();
    await look();
    expect(told).toEqual([]);
  });

  it('all bytes are reported where the system does not know what has left', async () => {
    const { told, line, confirming, look } = scene();
    line.unconfirmed = undefined;
    confirming.sent(1, 100);
    await look();
    confirming.sent(1, 5);
    expect(told).toEqual([
      [1, 100],
      [1, 5],
    ]);
  });
});
