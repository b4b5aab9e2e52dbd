import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGroupCommit } from '../../src/storage/group-commit.ts';

const POLICY = { maxBytes: 1000, maxDelayMs: 500 };

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

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('group commit', () => {
  it('covers many chunks with one sync, after some time', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    for (let n = 0; n < 10; n++) expect(group.finished(10)).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
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

  it('syncs at once when enough bytes are there', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(999);
    expect(sync).toHaveBeenCalledTimes(0);
    expect(group.finished(1)).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('never says that a chunk is durable which finished after the sync began', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(1000);
    expect(group.finished(10)).toEqual({ syncPoint: 2, durableSyncPoint: 0 });
    await succeed();
    expect(group.status().durableSyncPoint).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status().durableSyncPoint).toBe(2);
  });

  it('syncs once more for what came during a long sync, although its time is long over', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(1000);
    group.finished(10);
    await vi.advanceTimersByTimeAsync(5000);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status().durableSyncPoint).toBe(2);
  });

  it('does not let bytes pile up behind a long sync', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    for (let n = 0; n < 50; n++) group.finished(1000);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    expect(group.status()).toEqual({ syncPoint: 3, durableSyncPoint: 2 });
  });

  it('answers a request with a sync that covers everything finished so far', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(1000);
    group.finished(10);
    const answered = vi.fn();
    const request = group.request().then(answered);
    await succeed();
    expect(answered).not.toHaveBeenCalled();
    expect(sync).toHaveBeenCalledTimes(2);
    await succeed();
    await request;
    expect(answered).toHaveBeenCalledWith({ syncPoint: 3, durableSyncPoint: 2 });
  });

  it('answers a request although chunks never stop coming', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(10);
    const request = group.request();
    group.finished(10);
    await succeed();
    expect(await request).toMatchObject({ durableSyncPoint: 1 });
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('answers many requests with one sync, and one for nothing without any', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    expect(await group.request()).toEqual({ syncPoint: 1, durableSyncPoint: 0 });
    expect(sync).toHaveBeenCalledTimes(0);
    group.finished(10);
    const requests = Promise.all([group.request(), group.request(), group.request()]);
    expect(sync).toHaveBeenCalledTimes(1);
    await succeed();
    expect(await requests).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });
});

describe('a failed sync', () => {
  it('is told to everyone from then on, and never tried again', async () => {
    const { sync, fail } = controlledSync();
    const onFailure = vi.fn();
    const group = createGroupCommit(sync, POLICY, onFailure);
    group.finished(10);
    const request = group.request();
    request.catch(() => {});
    group.finished(10);
    await fail('the disk is full');
    await expect(request).rejects.toThrow('the disk is full');
    await expect(group.request()).rejects.toThrow('the disk is full');
    expect(() => group.finished(10)).toThrow('the disk is full');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
    expect(group.status().durableSyncPoint).toBe(0);
    expect(onFailure).not.toHaveBeenCalled();
  });

  it('is told once to the owner while nobody waits', async () => {
    const { sync, fail } = controlledSync();
    const onFailure = vi.fn();
    const group = createGroupCommit(sync, POLICY, onFailure);
    for (let n = 0; n < 5; n++) group.finished(1000);
    await fail('the disk is full');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
    expect(onFailure.mock.calls).toEqual([[new Error('the disk is full')]]);
  });
});

describe('a closed group commit', () => {
  it('waits for the sync under way and starts no other by itself', async () => {
    const { sync, succeed } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(1000);
    group.finished(1000);
    const closed = vi.fn();
    const closing = group.close().then(closed);
    await vi.advanceTimersByTimeAsync(0);
    expect(closed).not.toHaveBeenCalled();
    await succeed();
    await closing;
    group.finished(10);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('does not fail for a sync that failed', async () => {
    const { sync, fail } = controlledSync();
    const group = createGroupCommit(sync, POLICY);
    group.finished(1000);
    const closing = group.close();
    await fail('the disk is full');
    await closing;
    expect(sync).toHaveBeenCalledTimes(1);
  });
});
