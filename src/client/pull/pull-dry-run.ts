/** What a pull would do with each entry of its destination, told and not done. */
import { join } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { joinPath } from '../../base/safe-path.ts';
import type { EntryType } from '../../manifest/entry.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { compareWithTarget } from '../../transfer/compare.ts';
import type { RefusalSink } from '../../transfer/refused-entries.ts';
import type { SessionClient } from '../session/session-client.ts';
import { planDeletions, type Mirror } from '../transfer/deletion-plan.ts';
import { endDryRun } from '../transfer/dry-run.ts';
import type { Below, ThereNow } from '../transfer/dry-run-conflicts.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import { extrasAt } from './pull-deletions.ts';
import { typeAt } from './pull-landing.ts';
import type { PullPlan } from './pull-selection.ts';
import type { PullDestination } from './pull-staging.ts';

/** A pull that both sides are ready for. */
interface Outlook {
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly plan: PullPlan;
  readonly mirror: Mirror | undefined;
  readonly forceReplace: boolean | undefined;
}

/** Names what a pull would do. It compares once more: the plan alone does not tell which entries are there. */
export async function tellDryRun(
  { report, server }: TransferContext,
  { session, manifest, plan, mirror, forceReplace }: Outlook,
  destination: PullDestination | undefined,
): Promise<PassResult> {
  const isMirror = destination !== undefined && mirror !== undefined;
  return endDryRun(report, session, manifest, {
    plan,
    comparison:
      destination && (await compareWithTarget(destination.store, destination.landing.target, manifest)),
    there: await lookHere(destination, manifest),
    deletions: isMirror
      ? await planDeletions(mirror, manifest, () => extrasAt(destination, manifest), { report })
      : undefined,
    forceReplace,
    name: server.target.split('/').at(-1) || '.',
  });
}

/** Looks at the destination; undefined: nothing is there. */
async function lookHere(destination: PullDestination | undefined, { entries }: Manifest): Promise<ThereNow> {
  const types = new Map<string, EntryType>();
  const unsupported = new Set<string>();
  const at = (path: string): string => joinPath(destination?.landing.target ?? '', path);
  if (destination !== undefined) {
    const paths = Array.from(entries, ({ path }) => path);
    // Other refusals are of what is below a link or a file, which is replaced.
    const onRefused: RefusalSink = (index, { code }) => {
      if (code === 'storage-unsupported') unsupported.add(paths[index]!);
    };
    const found = await destination.store.lookup(paths.map(at), onRefused);
    for (const [index, path] of paths.entries()) {
      const type = found[index]?.entry.type;
      if (type !== undefined) types.set(path, type);
    }
  }
  return {
    isKnown: true,
    typeOf: (path) => types.get(path),
    isUnsupported: (path) => unsupported.has(path),
    below: (path) => lookInto(destination!, path),
    leadsToDirectory: (path) => leadsToDirectory(join(destination!.landing.root, at(path))),
  };
}

async function lookInto(
  { store, landing }: PullDestination,
  path: string,
): Promise<{ entries: readonly Below[]; hasMore: boolean }> {
  const entries: Below[] = [];
  let hasMore = false;
  const scanned = store.scan(joinPath(landing.target, path), { onNotice: () => (hasMore = true) });
  for await (const batch of scanned)
    for (const { entry } of batch)
      if (entry.path !== '') entries.push({ ...entry, path: joinPath(path, entry.path) });
  return { entries, hasMore };
}

async function leadsToDirectory(link: string): Promise<boolean> {
  try {
    return (await typeAt(link)) === 'directory';
  } catch (error) {
    // It is circular, or leads where this user may not look.
    if (error instanceof CairnError) return false;
    throw error;
  }
}
