/** The proof that the simulation can find something: each promise is broken on purpose, in the source itself. */
import { describe, expect, it } from 'vitest';
import type { Mutation } from './realm.ts';
import { runSeed } from './run-seed.ts';
import { runSeeds } from './run-seeds.ts';
import { openStage } from './stage.ts';

/** Seeds within which each of them has to be found; the rarest shows in one of six hundred. */
const MAX_SEEDS = 3000;

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'the journal is written before the data is durable': {
    file: 'storage/disk/staging/chunk-sync.ts',
    find: 'await syncFiles(place, dirty);',
    replace: 'void syncFiles(place, dirty);',
  },
  'the journal is not synced': {
    file: 'checkpoint/journal.ts',
    find: '      await syncHandle(this.#handle, this.#path);\n',
    replace: '',
  },
  'the names of staged files are not synced': {
    file: 'storage/disk/staging/chunk-sync.ts',
    find: 'place.folder.sync();',
    replace: '',
  },
  'a reopened journal is trusted without a sync': {
    file: 'checkpoint/journal.ts',
    find: '  await syncHandle(handle, shownPath);\n  // The run',
    replace: '  // The run',
  },
  'a sync point is reported before it has come': {
    file: 'transfer/group-commit.ts',
    find: '      await this.#sync();\n      this.#durable = covered;',
    replace: '      this.#durable = covered;\n      await this.#sync();',
  },
  'a failed sync is taken for one that came late': {
    file: 'storage/disk/staging/chunk-sync.ts',
    find: 'files.poison(file, storageError(error, `syncing staged data "${file.name}"`));',
    replace: 'void error; await syncFile(await file.opening, file.name).catch(() => undefined);',
  },
  'requests of an older epoch are taken': {
    file: 'session/record.ts',
    find: 'if (epoch !== record.epoch) {',
    replace: 'if (epoch < record.epoch) return;\n  if (epoch !== record.epoch) {',
  },
  'the epoch is not raised by a resume': {
    file: 'server/core/sessions/resuming.ts',
    find: 'epoch: current.epoch + 1,',
    replace: 'epoch: current.epoch,',
  },
  'records are renamed before they are synced': {
    file: 'base/durable-files.ts',
    find: '    await writeFully(handle, [bytes], 0);\n    await handle.datasync();',
    replace: '    await writeFully(handle, [bytes], 0);',
  },
  'files are published before they are synced': {
    file: 'storage/disk/publish/publish-files.ts',
    find: 'else await publication.syncFileSystem(publication.folder.fd);',
    replace: '',
  },
  'the digest of a chunk is not compared': {
    file: 'transfer/chunk-transfer.ts',
    find: '  if (!sameDigest(digest, footer)) {',
    replace: '  if (false) {',
  },
  'what is in the checkpoint is sent again': {
    file: 'client/push/server-chunks.ts',
    find: '      board.trust(chunk, own);',
    replace: '      void own;',
  },
  'a push is kept in memory where the disk is full': {
    file: 'storage/state/transient-pulls.ts',
    find: 'if (bringsBytes(next.pass)) throw refused;',
    replace: '',
  },
  'an expired session comes back to life': {
    file: 'session/state.ts',
    find: "expired: { ...ended('session-expired'),",
    replace: "expired: { ...ended('session-expired'), resume: to('open'),",
  },
  'an ended session keeps its staging': {
    file: 'storage/disk/staging-area.ts',
    find: '    await removeStaging(this.#context.root, this.#id, this.#context.times);',
    replace: '',
  },
};

describe('the simulation finds that', () => {
  it.each(Object.entries(MUTATIONS))('%s', { timeout: 3_600_000 }, async (_name, mutation) => {
    const stage = await openStage(mutation);
    const range = { from: 0, count: MAX_SEEDS };
    const report = await runSeeds((seed) => runSeed(seed, stage), range, {
      enough: ({ violations }) => violations.length > 0,
    });
    expect(report.violations).not.toEqual([]);
  });
});
