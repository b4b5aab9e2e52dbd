/** The staged chunks of a push: does each have the bytes that its journal claims? */
import { CairnError, EXIT, type ErrorCode } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { loadHasher } from '../../../manifest/digest.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { ChunkStaging, StagingArea } from '../../../storage/content-store.ts';
import { chunkAgrees } from '../../../transfer/chunk-agrees.ts';
import type { TransferPlan } from '../sessions/transfer-plan.ts';
import { find, findIncidents, type Check } from './check.ts';

/** Claims that are withdrawn with one record of the journal. */
const FORGET_AT_A_TIME = 65_536;
/** Runs of chunks that a finding names. */
const SHOWN_RUNS = 5;

/**
 * Hashes all staged chunks of a push, one after the other, and withdraws the claims that are wrong.
 *
 * @throws CairnError `journal-corrupt`, `journal-version`, storage codes
 */
export async function checkChunks(
  check: Check,
  record: SessionRecord,
  area: StagingArea,
  { manifest, layout }: TransferPlan,
): Promise<void> {
  const { target } = record;
  const isCommitting = record.state === 'committing';
  const staging = await area.openChunks({ manifest, layout, target });
  try {
    findIncidents(check, record);
    const createHasher = await loadHasher(manifest.digest);
    const wrong = new ChunkSet();
    let failure: ErrorCode | undefined;
    for (const chunk of staging.digests.chunks.copy().values()) {
      const read = watch(staging, chunk);
      const digest = staging.digests.get(chunk);
      const isRight = digest !== undefined && (await chunkAgrees(read.pieces, digest, createHasher));
      // A commit that was cut has moved some files to their final paths: publishing looks at them there.
      if (!isRight && isCommitting && read.result.error === 'chunks-missing') continue;
      if (isRight) note(check, read.result.bytes);
      else wrong.add(chunk);
      failure ??= storageCode(read.result.error);
    }
    if (wrong.size > 0) await withdraw(check, record, staging, { wrong, failure });
  } finally {
    await staging.close();
  }
}

function note({ totals, onProgress }: Check, bytes: number): void {
  totals.chunks += 1;
  totals.bytes += bytes;
  onProgress?.(totals);
}

interface Reading {
  bytes: number;
  error: ErrorCode | undefined;
}

/** The bytes of a chunk, and how reading them ended. */
function watch(
  staging: ChunkStaging,
  chunk: number,
): { readonly pieces: AsyncIterable<Uint8Array>; readonly result: Reading } {
  const result: Reading = { bytes: 0, error: undefined };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of staging.read(chunk)) {
        result.bytes += piece.byteLength;
        yield piece;
      }
    } catch (error) {
      if (error instanceof CairnError) result.error = error.code;
      throw error;
    }
  }
  return { pieces: pieces(), result };
}

function storageCode(code: ErrorCode | undefined): ErrorCode | undefined {
  if (code === undefined) return undefined;
  return new CairnError(code, '').traits.exitCode === EXIT.storage ? code : undefined;
}

async function withdraw(
  check: Check,
  record: SessionRecord,
  staging: ChunkStaging,
  { wrong, failure }: { readonly wrong: ChunkSet; readonly failure: ErrorCode | undefined },
): Promise<void> {
  if (!check.isDryRun) {
    let batch: number[] = [];
    for (const chunk of wrong.values()) {
      if (batch.push(chunk) < FORGET_AT_A_TIME) continue;
      await staging.forget(batch);
      batch = [];
    }
    await staging.forget(batch);
  }
  const which = `${wrong.size} of its chunks (${runsText(wrong.runs())})`;
  find(check, record, {
    kind: 'chunks-wrong',
    outcome: failure === undefined ? 'repaired' : 'failed',
    problem:
      failure === undefined
        ? `the staged bytes of ${which} are not those that its journal claims`
        : `the staged bytes of ${which} are wrong or cannot be read`,
    remedy: 'withdrawn; they are sent again',
    ...(failure === undefined ? {} : { code: failure }),
  });
}

/** `0–3, 7, 9–12, …`. */
function runsText(runs: readonly number[]): string {
  const shown: string[] = [];
  for (let index = 0; index < runs.length && shown.length < SHOWN_RUNS; index += 2) {
    const first = runs[index]!;
    const last = first + runs[index + 1]! - 1;
    shown.push(first === last ? String(first) : `${first}–${last}`);
  }
  return runs.length > 2 * SHOWN_RUNS ? `${shown.join(', ')}, …` : shown.join(', ');
}
