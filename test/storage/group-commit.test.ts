import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SyncStatus } from '../../src/wire/messages.ts';
import { createGroupCommit, policyOf, type GroupCommit } from '../../src/transfer/group-commit.ts';

const POLICY = { maxBytes: 1000, maxDelayMs: 500, waitsForEachChunk: false };

/** A store's sync that ends when the test says so. */
function controlledSync() {
  const running: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const sync = vi.fn(() => new Promise<void>((resolve, reject) => void running.push({ resolve, reject })));
  const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0));
  return {
    sync,
    succeed: async () => {
      running.shift()!.resolve();
      await settle();
    },
    fail: async (message: string) => {
      running.shift()!.reject(new Error(message));
      await settle();
    },
  };
}

/** A whole chunk of so many bytes. */
function chunk(group: GroupCommit, bytes: number): Promise<SyncStatus> {
  group.written(bytes);
  return group.finished();
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('group commits', () => {
  it('a group commit covers many chunks with one sync, after some time', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    for (let n = 0; n < 10; n++)
      expect(await chunk(group, 10)).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
    await vi.advanceTimersByTimeAsync(499);
    expect(sync).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(sync).toHaveBeenCalledTimes(1);
    expect(group.status().durableSyncPoint).toBe(0);
    await succeed();
    expect(group.status()).toEqual({ syncPoint: 2, durableSyncPoint: 1 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('a group commit syncs at once when enough bytes are there', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(999);
    expect(sync).toHaveBeenCalledTimes(0);
    group.written(1);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(group.status().durableSyncPoint).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('a group commit never reports a chunk as durable that finished after the sync began', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    expect(await chunk(group, 1000)).toEqual({ syncPoint: 2, durableSyncPoint: 0 });
    await succeed();
    expect(group.status().durableSyncPoint).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status().durableSyncPoint).toBe(2);
  });

  it('a group commit syncs once more for bytes that came during a long sync', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(1000);
    group.written(10);
    await vi.advanceTimersByTimeAsync(5000);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status().durableSyncPoint).toBe(2);
  });

  it('a group commit covers all bytes that came during a long sync with one more sync', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    for (let n = 0; n < 50; n++) group.written(1000);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status()).toEqual({ syncPoint: 3, durableSyncPoint: 2 });
  });

  it('a group commit answers a request with a sync that covers everything finished so far', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(1000);
    void group.finished();
    const answered = vi.fn();
    const request = group.request().then(answered);
    await succeed();
    expect(answered).not.toHaveBeenCalled();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    await request;
    expect(answered).toHaveBeenCalledWith({ syncPoint: 3, durableSyncPoint: 2 });
  });

  it('a group commit answers a request although chunks never stop coming', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    void chunk(group, 10);
    const request = group.request();
    void chunk(group, 10);
    await succeed();
    expect(await request).toMatchObject({ durableSyncPoint: 1 });
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('a group commit answers many requests with one sync, and one for nothing without any', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    expect(await group.request()).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
    expect(sync).toHaveBeenCalledTimes(0);
    void chunk(group, 10);
    const requests = Promise.all([group.request(), group.request(), group.request()]);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(await requests).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('a group commit goes on with the numbers of an earlier one over the same chunks', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY, { durableSyncPoint: 7 });
    expect(await group.request()).toEqual({ syncPoint: 8, durableSyncPoint: 7 });
    expect(await chunk(group, 10)).toEqual({ syncPoint: 8, durableSyncPoint: 7 });
    await vi.advanceTimersByTimeAsync(500);
    await succeed();
    expect(group.status()).toEqual({ syncPoint: 9, durableSyncPoint: 8 });
  });
});

describe('bytes of partial chunks', () => {
  it('bytes of partial chunks bring a sync every half second while they come, and no timer after that', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, { ...POLICY, maxBytes: Infinity });
    for (let ms = 0; ms < 5000; ms += 50) {
      group.written(100);
      await vi.advanceTimersByTimeAsync(50);
      if (sync.mock.calls.length > group.status().durableSyncPoint) await succeed();
    }
    expect(sync.mock.calls.length).toBeGreaterThanOrEqual(9);
    expect(sync.mock.calls.length).toBeLessThanOrEqual(10);
    await vi.advanceTimersByTimeAsync(500);
    const calls = sync.mock.calls.length;
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sync).toHaveBeenCalledTimes(calls);
  });

  it('bytes of partial chunks bring no more syncs on a fast line than the same bytes in whole chunks', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    for (let n = 0; n < 100; n++) {
      group.written(100);
      if (n % 10 === 9) void group.finished();
      if (sync.mock.calls.length > group.status().durableSyncPoint) await succeed();
    }
    expect(sync).toHaveBeenCalledTimes(10);
  });

  it('a request for a sync covers the bytes of partial chunks', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(10);
    const request = group.request();
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(await request).toEqual({ syncPoint: 2, durableSyncPoint: 1 });
  });
});

describe('sync modes', () => {
  it('the sync mode "always" reports a chunk as finished once it is durable, many with one sync', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, policyOf('always'));
    const told = vi.fn();
    const first = chunk(group, 10).then(told);
    expect(sync).toHaveBeenCalledTimes(1);
    const others = [chunk(group, 10).then(told), chunk(group, 10).then(told)];
    await vi.advanceTimersByTimeAsync(0);
    expect(told).not.toHaveBeenCalled();
    await succeed();
    await first;
    expect(told.mock.calls).toEqual([[{ syncPoint: 1, durableSyncPoint: 1 }]]);
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    await Promise.all(others);
    expect(told).toHaveBeenLastCalledWith({ syncPoint: 2, durableSyncPoint: 2 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(2);
  });

  it('the sync mode "always" reports a failed sync to its chunk, and to nobody else', async () => {
    const { sync, fail } = controlledSync();
    const onFailure = vi.fn();
    const group = createGroupCommit(sync, policyOf('always'), { onFailure });
    const finished = chunk(group, 10);
    finished.catch(() => {});
    await fail('the disk is full');
    await expect(finished).rejects.toThrow('the disk is full');
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('the sync mode "close" never syncs by itself, and runs no timer', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, policyOf('close'));
    for (let n = 0; n < 100; n++) {
      expect(await chunk(group, 10 ** 9)).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
    }
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(sync).toHaveBeenCalledTimes(0);
    const request = group.request();
    await succeed();
    expect(await request).toEqual({ syncPoint: 2, durableSyncPoint: 1 });
  });
});

describe('failed syncs', () => {
  it('a failed sync is reported to every later caller, and never tried again', async () => {
    const { sync, fail } = controlledSync();
    const onFailure = vi.fn();
    const group = createGroupCommit(sync, POLICY, { onFailure });
    void chunk(group, 10);
    const request = group.request();
    request.catch(() => {});
    void chunk(group, 10);
    await fail('the disk is full');
    await expect(request).rejects.toThrow('the disk is full');
    await expect(group.request()).rejects.toThrow('the disk is full');
    await expect(chunk(group, 10)).rejects.toThrow('the disk is full');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
    expect(group.status().durableSyncPoint).toBe(0);
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('a failed sync that nobody waits for is reported once to the owner of the group commit', async () => {
    const { sync, fail } = controlledSync();
    const onFailure = vi.fn();
    const group = createGroupCommit(sync, POLICY, { onFailure });
    for (let n = 0; n < 5; n++) group.written(1000);
    await fail('the disk is full');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
    expect(onFailure.mock.calls).toEqual([[new Error('the disk is full')]]);
  });
});

describe('closed group commits', () => {
  it('a closed group commit waits for the sync under way, and starts no other by itself', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(1000);
    group.written(1000);
    const closed = vi.fn();
    const closing = group.close().then(closed);
    await vi.advanceTimersByTimeAsync(0);
    expect(closed).not.toHaveBeenCalled();
    await succeed();
    await closing;
    void chunk(group, 10);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('closing a group commit does not fail when its sync fails', async () => {
    const { sync, fail } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.written(1000);
    const closing = group.close();
    await fail('the disk is full');
    await closing;
    expect(sync).toHaveBeenCalledTimes(1);
  });
});
