import { cpSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferSummary } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { listTransfers } from '../../src/client/transfers.ts';
import { canKeepMetadata, hasXattr, setXattr } from '../support/metadata-tree.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

const MIB = 1024 * 1024;
const SIZE = 6 * MIB;

interface Job {
  readonly scene: Scene;
  /** A file that both sides have, of the same size and time, and with other bytes at the receiver. */
  readonly damaged: { readonly good: string; readonly bad: string };
  run(changes?: Partial<TransferOptions>): Promise<TransferSummary>;
  /** Ends the run of which some bytes have moved. */
  interrupt(changes?: Partial<TransferOptions>): Promise<void>;
}

/** Other bytes, and the same size and time. */
function damage(file: string): void {
  const { atime, mtime } = statSync(file);
  writeFileSync(file, 'XYZ', { flag: 'r+' });
  utimesSync(file, atime, mtime);
}

async function openJob(direction: 'push' | 'pull'): Promise<Job> {
  const scene = await openScene('disk', { bytesPerSecond: 8 * MIB });
  const local = temporaryDirectory();
  const there = path.join(scene.root, 'tree');
  const [from, to] = direction === 'push' ? [local, there] : [there, local];
  const seed = temporaryDirectory();
  writeRandomFile(path.join(seed, 'a-small'), 100_000);
  writeRandomFile(path.join(seed, 'b-large'), SIZE);
  const keep = { recursive: true, preserveTimestamps: true };
  cpSync(seed, from, keep);
  cpSync(path.join(seed, 'a-small'), path.join(to, 'a-small'), keep);
  damage(path.join(to, 'a-small'));
  const run = (changes: Partial<TransferOptions> = {}): Promise<TransferSummary> => {
    const options = scene.options('/tree', { parallel: 2, ...changes });
    return direction === 'push' ? push([local], options) : pull(local, options);
  };
  return {
    scene,
    damaged: { good: path.join(from, 'a-small'), bad: path.join(to, 'a-small') },
    run,
    interrupt: async (changes = {}) => {
      const controller = new AbortController();
      let moved = 0;
      const report: TransferOptions['report'] = (event) => {
        scene.events.push(event);
        if (event.type === 'bytes') moved += event.bytes;
        if (moved > 2 * MIB) controller.abort(new CairnError('interrupted', 'stop'));
      };
      expect(await codeOf(run({ ...changes, report, signal: controller.signal }))).toBe('interrupted');
    },
  };
}

const notices = ({ events }: Scene): string =>
  events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join('\n');

describe.each(['push', 'pull'] as const)('a %s that goes on with one of other options', (direction) => {
  test('a transfer that resumes with --checksum compares contents that were taken for equal', async () => {
    const { interrupt, run, damaged } = await openJob(direction);
    await interrupt();
    const plain = await run();
    expect(plain.bytesResumed).toBeGreaterThan(0);
    expect(readFileSync(damaged.bad).equals(readFileSync(damaged.good))).toBe(false);
    const other = await openJob(direction);
    await other.interrupt();
    const summary = await other.run({ checksum: true });
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(readFileSync(other.damaged.bad).equals(readFileSync(other.damaged.good))).toBe(true);
  });

  test('a transfer that resumed with --checksum and is interrupted keeps that option in its record', async () => {
    const { scene, interrupt, run, damaged } = await openJob(direction);
    await interrupt();
    const resumeCommand = ['cairn', direction, '--checksum'];
    await interrupt({ checksum: true, resumeCommand });
    const [info] = await listTransfers(scene.stateHome);
    expect(info?.resumeCommand).toEqual(resumeCommand);
    await run({ checksum: true });
    expect(readFileSync(damaged.bad).equals(readFileSync(damaged.good))).toBe(true);
  });

  test.each([
    ['another digest', { digest: 'sha256' }, 'asks for sha256'],
    ['chunks of another size', { chunkSizeBytes: 2 * CHUNK }, `asks for ${2 * CHUNK}`],
  ] as const)(
    'a transfer starts over when the next run asks for %s, and says so',
    async (_what, changes, words) => {
      const { scene, interrupt, run } = await openJob(direction);
      await interrupt();
      const summary = await run(changes);
      expect(notices(scene)).toContain(words);
      expect(summary).toMatchObject({ bytesResumed: 0, excluded: 0 });
      expect(summary.digest).toMatch(/^[0-9a-f]{64}$/);
      expect(await listTransfers(scene.stateHome)).toEqual([]);
    },
  );

  test.skipIf(!canKeepMetadata)(
    'a transfer starts over when the next run asks for less metadata, and sets nothing else (needs root)',
    async () => {
      const { scene, interrupt, run, damaged } = await openJob(direction);
      const [from, to] = [path.dirname(damaged.good), path.dirname(damaged.bad)];
      setXattr(path.join(from, 'b-large'), 'user.kept', 'x');
      await interrupt({ metadata: ['sparse', 'xattrs'] });
      const summary = await run({ metadata: ['sparse'] });
      expect(notices(scene)).toContain('keeps metadata that this run does not ask for; it starts over');
      expect(summary).toMatchObject({ bytesResumed: 0, excluded: 0 });
      expect(hasXattr(path.join(to, 'b-large'), 'user.kept')).toBe(false);
    },
  );

  test.skipIf(!canKeepMetadata)(
    'a transfer goes on when the next run asks for more metadata, and brings that after it (needs root)',
    async () => {
      const { interrupt, run, damaged } = await openJob(direction);
      const [from, to] = [path.dirname(damaged.good), path.dirname(damaged.bad)];
      setXattr(path.join(from, 'b-large'), 'user.kept', 'x');
      await interrupt({ metadata: ['sparse'] });
      const summary = await run({ metadata: ['sparse', 'xattrs'] });
      expect(summary.bytesResumed).toBeGreaterThan(0);
      expect(hasXattr(path.join(to, 'b-large'), 'user.kept')).toBe(true);
    },
  );

  test('a transfer goes on when the next run asks for the digest that it has, though for smaller chunks', async () => {
    const { scene, interrupt, run } = await openJob(direction);
    await interrupt({ digest: 'sha256' });
    const summary = await run({ digest: 'sha256', chunkSizeBytes: CHUNK });
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(notices(scene)).not.toContain('starts over');
  });
});
