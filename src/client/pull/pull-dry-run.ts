/** What a pull would do with each entry of its destination, told and not done. */
import { joinPath } from '../../base/safe-path.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { compareWithTarget } from '../../transfer/compare.ts';
import type { Comparison } from '../../wire/messages.ts';
import type { SessionClient } from '../session/session-client.ts';
import { planDeletions, tellWouldDelete, type Mirror } from '../transfer/deletion-plan.ts';
import { endDryRun } from '../transfer/dry-run.ts';
import type { PassResult } from '../transfer/pass-result.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import { extrasAt } from './pull-deletions.ts';
import type { PullPlan } from './pull-selection.ts';
import type { PullDestination } from './pull-staging.ts';

/** A pull that both sides are ready for. */
interface Outlook {
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly plan: PullPlan;
  readonly mirror: Mirror | undefined;
}

/** Names what a pull would do. It compares once more: the plan alone does not tell which entries are there. */
export async function tellDryRun(
  context: TransferContext,
  { session, manifest, plan, mirror }: Outlook,
  destination: PullDestination | undefined,
): Promise<PassResult> {
  const { report, server } = context;
  let deleted: PassResult['deleted'];
  const there = new Set<string>();
  let comparison: Comparison | undefined;
  if (destination !== undefined) {
    const { store, landing } = destination;
    comparison = await compareWithTarget(store, landing.target, manifest);
    const paths = Array.from(manifest.entries, ({ path }) => path);
    const found = await store.lookup(paths.map((path) => joinPath(landing.target, path)));
    for (const [index, path] of paths.entries()) if (found[index] !== undefined) there.add(path);
    if (mirror !== undefined) {
      const deletions = await planDeletions(mirror, manifest, () => extrasAt(destination, manifest), {
        report,
      });
      deleted = tellWouldDelete(deletions, report);
    }
  }
  const name = server.target.split('/').at(-1) || '.';
  const isThere = (path: string): boolean => there.has(path);
  return {
    ...(await endDryRun(report, session, manifest, { plan, comparison, isThere, name })),
    deleted,
  };
}
