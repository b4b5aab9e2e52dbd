/** What one pass of a transfer works with, whichever way its bytes go. */
import type { ErrorCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, type HasherFactory } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Report } from '../api/events.ts';
import { layoutOf } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';
import { ChunkBoard } from './chunk-board.ts';
import type { TransferContext } from './transfer-context.ts';
import type { PassPlan } from './pass-result.ts';
import { createProgress, type TransferProgress } from './transfer-progress.ts';

/** What a pass is about: both sides have agreed on it. */
export interface PassSubject {
  readonly context: TransferContext;
  readonly session: SessionClient;
  /** Keeps each new terms. */
  readonly folder: Pick<TransferFolder, 'update'>;
  readonly manifest: Manifest;
  readonly plan: PassPlan;
  /** Told of excluded entries. */
  readonly report: Report;
}

/** A pass under way. */
export interface Pass extends PassSubject {
  readonly layout: Layout;
  readonly board: ChunkBoard;
  readonly progress: TransferProgress;
  readonly createHasher: HasherFactory;
  /** Entries that the sender cannot read as they were: zeros go in their place, and the commit leaves them out. */
  readonly excluded: ChunkSet;
  /** What to call a file that is the whole transfer. */
  readonly name: string;
}

/** Prepares a pass; every chunk is to do. `unconfirmed` tells how many bytes of a push are on their way. */
export async function openPass(
  { context, session, folder, manifest, plan, report }: PassSubject,
  { excluded, name }: Pick<Pass, 'excluded' | 'name'>,
  unconfirmed?: () => Promise<number | undefined>,
): Promise<Pass> {
  const layout = layoutOf(manifest, plan);
  return {
    context,
    session,
    folder,
    manifest,
    plan,
    report,
    layout,
    excluded,
    name,
    board: new ChunkBoard(layout.chunkCount, DIGEST_LENGTH_BYTES[manifest.digest]),
    progress: createProgress(context, { manifest, layout, name }, unconfirmed),
    createHasher: await loadHasher(manifest.digest),
  };
}

/** Leaves an entry out of a pass, and names it; `messageOf` is given the path as it is shown. */
export function leaveOut(
  { excluded, manifest, name, report }: Pick<Pass, 'excluded' | 'manifest' | 'name' | 'report'>,
  entryIndex: number,
  code: ErrorCode,
  messageOf: (path: string) => string,
): void {
  if (excluded.has(entryIndex)) return;
  excluded.add(entryIndex);
  const path = printable(manifest.entries.pathOf(entryIndex) || name);
  report({ type: 'warning', code, path, message: messageOf(path) });
}
