import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import { type LeaseFile, type LeaseOptions, takeLease } from '../../src/base/lease-file.ts';
import { loadNative } from '../../src/base/native.ts';
import { systemInspector } from '../../src/base/process-identity.ts';
import { temporaryDirectory } from '../support/trees.ts';

const native = await loadNative();
const HERE = { ...systemInspector.self(), pidNamespace: 'pid:[1]' };
const OTHER_CONTAINER = { ...HERE, pid: 1, startTime: '7', pidNamespace: 'pid:[2]' };
const OTHER_HOST = { pid: 1, startTime: '7', bootId: 'another-kernel', pidNamespace: 'pid:[1]' };
const BRISK = { renewEveryMs: 10, watchForMs: 2000 };
const SILENT = { renewEveryMs: 3_600_000, watchForMs: 20 };

async function take(directory: string, options: Partial<LeaseOptions>): Promise<LeaseFile> {
  const lease = await takeLease(directory, {
    native,
    onLost: () => undefined,
    timing: SILENT,
    self: HERE,
    ...options,
  });
  onTestFinished(() => lease.release());
  return lease;
}

const isLocked = (details: object): unknown => expect.objectContaining({ code: 'state-locked', details });

describe.skipIf(native === undefined)('leases with the lock of the kernel (needs the C library)', () => {
  it('a lease is refused to a process of the same container, with the pid of the holder', async () => {
    const directory = temporaryDirectory();
    await take(directory, {});
    await expect(take(directory, {})).rejects.toEqual(isLocked({ pid: process.pid }));
  });

  it('a lease is refused at once to a process of another container, though it cannot see the holder', async () => {
    const directory = temporaryDirectory();
    await take(directory, {});
    await expect(take(directory, { self: OTHER_CONTAINER })).rejects.toEqual(isLocked({}));
  });

  it('a lease is free at once when its holder in another container was killed', async () => {
    const directory = temporaryDirectory();
    const dead = { ...OTHER_CONTAINER, nonce: 'x', hasKernelLock: true };
    writeFileSync(path.join(directory, 'lease'), JSON.stringify(dead));
    // A watch would not be over before the test is.
    await take(directory, { timing: { renewEveryMs: 1000, watchForMs: 3_600_000 } });
  });
});

describe('leases without the lock of the kernel', () => {
  const alone = { native: undefined } as const;

  it('a lease without kernel lock is refused while its holder in the container lives, and free when that is dead', async () => {
    const directory = temporaryDirectory();
    await take(directory, alone);
    await expect(take(directory, alone)).rejects.toEqual(isLocked({ pid: process.pid }));
    const dead = { ...HERE, startTime: '1', nonce: 'x', hasKernelLock: false };
    writeFileSync(path.join(directory, 'lease'), JSON.stringify(dead));
    await take(directory, alone);
  });

  it('a lease without kernel lock is refused to another host while its holder renews it', async () => {
    const directory = temporaryDirectory();
    await take(directory, { ...alone, self: OTHER_HOST, timing: BRISK });
    await expect(take(directory, { ...alone, timing: BRISK })).rejects.toEqual(isLocked({}));
  });

  it('a lease that is taken over from another host is reported as lost once to its old holder', async () => {
    const directory = temporaryDirectory();
    let lost: CairnError | undefined;
    let times = 0;
    let tell: () => void;
    const told = new Promise<void>((resolve) => (tell = resolve));
    const onLost = (error: CairnError): void => {
      lost = error;
      times += 1;
      tell();
    };
    await take(directory, { ...alone, self: OTHER_HOST, onLost, timing: { ...BRISK, renewEveryMs: 300 } });
    writeFileSync(
      path.join(directory, 'lease'),
      JSON.stringify({ ...HERE, nonce: 'y', hasKernelLock: false }),
    );
    await told;
    expect([lost?.code, times]).toEqual(['state-locked', 1]);
  });

  it('a lease without kernel lock goes to one of two hosts that begin together', async () => {
    const directory = temporaryDirectory();
    const both = [HERE, OTHER_HOST].map((self) => take(directory, { ...alone, self, timing: BRISK }));
    const outcomes = await Promise.allSettled(both);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(refused?.reason).toEqual(isLocked({}));
  });

  it('a lease that was released is free at once, also for another host', async () => {
    const directory = temporaryDirectory();
    await (await take(directory, { ...alone, self: OTHER_HOST })).release();
    await take(directory, { ...alone, timing: { renewEveryMs: 1000, watchForMs: 3_600_000 } });
    expect(readFileSync(path.join(directory, 'lease'), 'utf8')).toContain(`"pid":${process.pid}`);
  });
});

it('a lease file with other content is taken over, and a symbolic link in its place is refused', async () => {
  const directory = temporaryDirectory();
  writeFileSync(path.join(directory, 'lease'), '{"pid":"x"');
  await (await take(directory, {})).release();
  const other = temporaryDirectory();
  writeFileSync(path.join(other, 'precious'), 'mine');
  symlinkSync(path.join(other, 'precious'), path.join(other, 'lease'));
  await expect(take(other, {})).rejects.toMatchObject({ code: 'symlink-refused' });
  expect(readFileSync(path.join(other, 'precious'), 'utf8')).toBe('mine');
});
