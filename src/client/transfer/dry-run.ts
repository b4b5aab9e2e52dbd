/** What a run would do with each entry, told and not done. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Comparison, Plan } from '../../wire/messages.ts';
import { ROUTE } from '../../wire/routes.ts';
import { readTree } from '../../wire/tree-stream.ts';
import type { Change, Report } from '../api/events.ts';
import { call, type Server } from '../http/server-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import { emptyResult, type PassResult } from './pass-result.ts';

/** Tells whether there is something at a path of the manifest; undefined where the access token may not know. */
export type IsThere = (path: string) => boolean | undefined;

/** The state of the other side before anything is done, as far as it is known. */
export interface Outlook {
  readonly plan: Plan;
  /** Undefined where nothing was there to compare with. */
  readonly comparison: Comparison | undefined;
  readonly isThere: IsThere;
  /** What to call the entry that is the whole transfer. */
  readonly name: string;
}

/** Ends a dry run: reports every entry with which something would happen, and lets go of the session. */
export async function endDryRun(
  report: Report,
  session: SessionClient,
  manifest: Manifest,
  outlook: Outlook,
): Promise<PassResult> {
  tellOutlook(report, manifest, outlook);
  await session.abandon();
  return emptyResult(manifest, outlook.plan, null);
}

function tellOutlook(report: Report, { entries }: Manifest, outlook: Outlook): void {
  const { plan, comparison, isThere, name } = outlook;
  const set = (runs: readonly number[]): ChunkSet => ChunkSet.fromRuns(runs, entries.length);
  const [have, attributes] = [set(plan.have), set(plan.attributes)];
  const candidates = set(comparison?.candidates ?? []);
  const changeOf = (index: number): Change | undefined => {
    if (attributes.has(index)) return 'attributes';
    if (have.has(index)) return undefined;
    if (candidates.has(index)) return 'same-size';
    const isThereNow = isThere(entries.pathOf(index));
    if (isThereNow === undefined) return 'unknown';
    return isThereNow ? 'changed' : 'new';
  };
  for (let index = 0; index < entries.length; index += 1) {
    const change = changeOf(index);
    if (change === undefined) continue;
    const path = printable(entries.pathOf(index) || name);
    report({ type: 'would', path, kind: entries.typeOf(index), change, sizeBytes: entries.sizeOf(index) });
  }
}

/** Asks the server for the entries at the target of a push; a token may not be allowed to know. */
export async function lookAtServer(server: Server, signal: AbortSignal): Promise<IsThere> {
  try {
    const there = await server.access.run(async (headers) => {
      const path = ROUTE.tree(server.target, true);
      return readTree((await call(server, { method: 'GET', path, headers, signal })).body);
    });
    const { entries } = there.manifest;
    const paths = new Set(Array.from({ length: entries.length }, (_none, index) => entries.pathOf(index)));
    return (path) => paths.has(path);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CairnError)) throw error;
    return error.code === 'not-found' ? () => false : () => undefined;
  }
}
