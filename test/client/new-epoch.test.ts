/** What a transfer makes of a new epoch: found by the simulation. */
import { expect, test } from 'vitest';
import { ChunkDigests } from '../../src/checkpoint/chunk-digests.ts';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { loadHasher } from '../../src/manifest/digest.ts';
import { createLayout } from '../../src/manifest/layout.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import type { CheckpointReply, SessionTerms } from '../../src/wire/messages.ts';
import { refuseForgotten } from '../../src/client/pull/pull-pass.ts';
import { sendChunks } from '../../src/client/push/push-chunks.ts';
import type { PushJob } from '../../src/client/push/push-job.ts';
import { applyCheckpoint } from '../../src/client/push/server-chunks.ts';
import type { SessionClient } from '../../src/client/session/session-client.ts';
import { ChunkBoard } from '../../src/client/transfer/chunk-board.ts';
import { createFlow } from '../../src/client/transfer/flow.ts';
import { createProgress } from '../../src/client/transfer/transfer-progress.ts';
import { fixedCount } from '../../src/base/workers.ts';
import { zeros } from '../../src/transfer/excluded-entries.ts';
import { CHUNK, codeOf } from './support/scene.ts';

const GRANT = { epoch: 2 } as SessionTerms;
const digest = (chunk: number): Buffer => Buffer.alloc(8, chunk + 1);

async function jobOf(session: Partial<SessionClient> = {}): Promise<PushJob> {
  const entry = {
    type: 'file',
    path: '',
    sizeBytes: 3 * CHUNK,
    mode: 0o644,
    mtimeNs: 0n,
    linkTarget: '',
  } as const;
  const manifest = createManifest({ chunkSizeBytes: CHUNK, digest: 'xxh64' }, [entry]);
  const layout = createLayout(manifest);
  const context = {
    report: () => undefined,
    now: () => 0,
    counters: { bytesMoved: 0, resumes: 0 },
    flow: createFlow({ max: 1, isFixed: true, roundTripMs: 1, now: () => 0 }),
    signal: new AbortController().signal,
  } as unknown as PushJob['context'];
  return {
    context,
    session: {
      parallel: fixedCount(1),
      grant: GRANT,
      keepingLease: (work: () => Promise<unknown>) => work(),
      ...session,
    } as SessionClient,
    folder: { update: async () => undefined },
    manifest,
    plan: { have: [], attributes: [] },
    report: () => undefined,
    layout,
    excluded: new ChunkSet(),
    name: '',
    reader: {} as PushJob['reader'],
    board: new ChunkBoard(3, 8),
    progress: createProgress(context, { manifest, layout, name: '' }),
    createHasher: await loadHasher('xxh64'),
    checkpoint: undefined,
    mirror: undefined,
    deletions: { plan: undefined },
    partialChunks: new Map(),
    unverified: { chunks: [], there: new ChunkDigests(8) },
    durable: { bytes: 0 },
    ahead: { chunkRead: () => undefined, around: async () => undefined },
  };
}

function replyOf(...chunks: number[]): CheckpointReply {
  const digests = new ChunkDigests(8);
  for (const chunk of chunks) digests.set(chunk, digest(chunk));
  const { runs, digests: encoded } = digests.encode();
  return { plan: { have: [], attributes: [] }, chunks: { runs: [...runs], digests: encoded }, held: [] };
}

test('a chunk that another client has brought is compared, and not sent', async () => {
  const job = await jobOf();
  await applyCheckpoint(job, replyOf(1), GRANT);
  expect(job.unverified.chunks).toEqual([1]);
  expect(job.unverified.there?.get(1)).toEqual(Uint8Array.from(digest(1)));
  expect([job.board.take(), job.board.take(), job.board.take()]).toEqual([0, 2, undefined]);
});

test('a push whose session has lost its plan takes the session for gone', async () => {
  const job = await jobOf();
  expect(await codeOf(applyCheckpoint(job, { ...replyOf(), plan: null }, GRANT))).toBe('session-not-found');
});

test('a pull takes a session that has forgotten its plan for gone, and goes on with one that knows it', async () => {
  const forgotten = { ...GRANT, state: 'establishing' } as SessionTerms;
  expect(await codeOf((async () => refuseForgotten(forgotten))())).toBe('session-not-found');
  expect(() => refuseForgotten({ ...GRANT, state: 'open' })).not.toThrow();
});

test('a push that has sent everything asks for no sync point, since the commit makes it', async () => {
  const asked: unknown[] = [];
  const job: PushJob = await jobOf({
    run: async <T>() => {
      asked.push(job.board.open);
      return {} as T;
    },
  });
  for (const chunk of [0, 1, 2]) {
    job.board.take();
    job.board.finish(chunk, digest(chunk), 9);
  }
  await sendChunks(job);
  expect([job.board.open, asked]).toEqual([0, []]);
});

test('one timer keeps the lease while a push hashes all unverified chunks', async () => {
  const keepers: string[] = [];
  const session: Partial<SessionClient> = {
    withSignal: () => session as SessionClient,
    keepingLease: async (work) => {
      keepers.push('begins');
      const result = await work();
      keepers.push('ends');
      return result;
    },
  };
  const job = await jobOf(session);
  const read = (): AsyncIterable<Uint8Array> => {
    keepers.push('hashes');
    return zeros(CHUNK);
  };
  Object.assign(job.reader, { touches: 0, read });
  const hasher = job.createHasher();
  hasher.update(Buffer.alloc(CHUNK));
  const same = hasher.digest();
  for (const chunk of [0, 1, 2]) {
    job.board.reserve(chunk);
    job.unverified.chunks.push(chunk);
    job.unverified.there?.set(chunk, same);
  }
  await sendChunks(job);
  expect(job.board.open).toBe(0);
  expect(keepers).toEqual(['begins', 'hashes', 'hashes', 'hashes', 'ends']);
});
