/** What makes a server one that can be watched: the places that it writes to, its metrics, and the port for them. */
import { join } from 'node:path';
import { RESERVED_NAME } from '../../../base/safe-path.ts';
import type { ServerOptions } from '../../../server/server-options.ts';
import type { ServePlan } from './serve-plan.ts';

/** The options of a server that say so; the metrics library is loaded here. */
export async function watchedBy({
  root,
  state,
  metricsListen,
}: ServePlan): Promise<Pick<ServerOptions, 'places' | 'ownDirectories' | 'metrics' | 'metricsListen'>> {
  const [{ storagePlace }, { openPrometheusMetrics }] = await Promise.all([
    import('../../../storage/disk/tree/storage-place.ts'),
    import('../../../server/operations/prometheus.ts'),
  ]);
  return {
    places: [storagePlace('state', state), storagePlace('root', root, join(root, RESERVED_NAME))],
    ownDirectories: [
      { path: root, shownAs: '' },
      { path: state, shownAs: '(state)' },
    ],
    metrics: openPrometheusMetrics,
    ...(metricsListen === undefined ? {} : { metricsListen }),
  };
}
