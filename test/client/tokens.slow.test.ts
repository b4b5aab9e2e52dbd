import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import type { TransferSummary } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { codeOf, openScene, type Scene } from './support/scene.ts';

const MIB = 1024 * 1024;
const SIZE = 6 * MIB;
/** Slow enough for a token to be replaced long before it is over, on a busy machine, too. */
const RATE = MIB / 2;

/** Issues tokens of one owner that live for a while, and can take them back. */
interface Authority extends Authenticator {
  issue(lifeMs: number): string;
  revokeAll(): void;
}

function createAuthority(): Authority {
  const tokens = new Map<string, number>();
  const authorizationOf = (secret: string, expiresAtMs: number) =>
    ({
      id: `token:${secret}`,
      principal: 'owner',
      scopes: ['read', 'write'],
      pathPrefix: '',
      expiresAtMs,
    }) as const;
  return {
    issue: (lifeMs) => {
      const secret = `secret-${tokens.size}`;
      tokens.set(secret, Date.now() + lifeMs);
      return secret;
    },
    revokeAll: () => {
      for (const secret of tokens.keys()) tokens.set(secret, Number.NaN);
    },
    authenticate: async ({ bearer }) => {
      const expiresAtMs = tokens.get(bearer ?? '');
      return expiresAtMs === undefined ? undefined : authorizationOf(bearer!, expiresAtMs);
    },
    stands: ({ id }) => !Number.isNaN(tokens.get(id.slice('token:'.length))),
  };
}

interface Job {
  readonly scene: Scene;
  readonly authority: Authority;
  run(changes: Partial<TransferOptions>): Promise<TransferSummary>;
  moved(bytes: number): Promise<void>;
  isWhole(): Promise<boolean>;
}

async function openJob(direction: 'push' | 'pull'): Promise<Job> {
  const authority = createAuthority();
  const scene = await openScene('disk', { bytesPerSecond: RATE, authenticators: [authority] });
  const directory = temporaryDirectory();
  const source = direction === 'push' ? path.join(directory, 'file') : path.join(scene.root, 'file');
  const arrived = direction === 'push' ? path.join(scene.root, 'file') : path.join(directory, 'arrived');
  writeRandomFile(source, SIZE);
  const movedBytes = (): number =>
    scene.events.reduce((sum, event) => sum + (event.type === 'bytes' ? event.bytes : 0), 0);
  return {
    scene,
    authority,
    run: (changes) => {
      const options = scene.options('/file', { chunkSizeBytes: 256 * 1024, ...changes });
      return direction === 'push' ? push([source], options) : pull(arrived, options);
    },
    moved: async (bytes) => {
      while (movedBytes() < bytes) await sleep(20);
    },
    isWhole: async () => digestOf(source) === digestOf(arrived),
  };
}

describe.each(['push', 'pull'] as const)('a %s', (direction) => {
  test('a transfer that outlives its tokens shows each new one in time, and is never interrupted', async () => {
    const { run, authority, isWhole } = await openJob(direction);
    let asked = 0;
    const token = async (): Promise<string> => {
      asked += 1;
      return authority.issue(4000);
    };
    const summary = await run({ token });
    expect(asked).toBeGreaterThanOrEqual(3);
    expect([summary.bytesMoved, summary.resumes, summary.retries]).toEqual([SIZE, 0, 0]);
    expect(await isWhole()).toBe(true);
  });

  test('a transfer whose token runs out waits for the next one, and goes on from what had arrived', async () => {
    const { run, authority, scene, isWhole } = await openJob(direction);
    let current = authority.issue(1000);
    const running = run({ token: async () => current });
    while (!scene.events.some((event) => event.type === 'waiting' && event.code === 'token-expired'))
      await sleep(20);
    current = authority.issue(60_000);
    const summary = await running;
    expect(summary.retries).toBeGreaterThan(0);
    // What was on its way when the token expired was taken: no new epoch, and nothing twice.
    expect(summary.resumes).toBe(0);
    expect(direction === 'push' ? scene.proxy.bytesUp : scene.proxy.bytesDown).toBeLessThan(SIZE * 1.05);
    expect(await isWhole()).toBe(true);
  });

  test('a transfer whose token is revoked ends, and goes on with a new token of its owner', async () => {
    const { run, authority, moved, isWhole } = await openJob(direction);
    const first = authority.issue(60_000);
    const running = codeOf(run({ token: async () => first }));
    await moved(2 * MIB);
    authority.revokeAll();
    expect(await running).toBe('token-revoked');
    const second = authority.issue(60_000);
    const summary = await run({ token: async () => second });
    expect(summary.bytesResumed).toBeGreaterThan(0.9 * MIB);
    expect(summary.bytesMoved + summary.bytesResumed).toBeLessThan(SIZE * 1.1);
    expect(await isWhole()).toBe(true);
  });

  test('a transfer with a token that was never good, or has expired, ends at once', async () => {
    const { run, authority } = await openJob(direction);
    expect(await codeOf(run({ token: async () => 'nobody' }))).toBe('unauthenticated');
    const expired = authority.issue(-1);
    expect(await codeOf(run({ token: async () => expired }))).toBe('token-expired');
  });

  test('a transfer that gets no new token says so when its time for retries is over, and keeps everything', async () => {
    const { run, authority, isWhole } = await openJob(direction);
    const first = authority.issue(1000);
    const failure = await run({ token: async () => first, retryForMs: 1000 }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(CairnError);
    expect((failure as CairnError).code).toBe('token-expired');
    expect((failure as CairnError).message).toContain('given up after 1 s');
    expect((failure as CairnError).details['isKept']).toBe(true);
    const second = authority.issue(60_000);
    const summary = await run({ token: async () => second });
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(await isWhole()).toBe(true);
  });
});
