/** Metrics of what nodes share beside their store, for Prometheus; none where they share nothing. */
import { Counter, Gauge } from 'prom-client';
import type { SharedMemory } from '../../storage/state/shared-memory.ts';

const OUTCOMES = ['answered', 'failed', 'skipped'] as const;

/** Makes them; they look at the memory when a client asks for the page. */
export function metricsOfMemory(
  memory: Pick<SharedMemory, 'isThere' | 'asked'> | undefined,
): readonly (Gauge | Counter)[] {
  if (memory === undefined) return [];
  const up = new Gauge({
    name: 'cairn_redis_up',
    help: 'Whether Redis answers this node (1), or the node goes on without it (0).',
    registers: [],
    collect() {
      this.set(memory.isThere ? 1 : 0);
    },
  });
  const requests = new Counter({
    name: 'cairn_redis_requests_total',
    help: 'What this node asked Redis: answered, failed (also: not in time), or skipped while it is away.',
    labelNames: ['outcome'],
    registers: [],
    collect() {
      this.reset();
      for (const outcome of OUTCOMES) this.inc({ outcome }, memory.asked[outcome]);
    },
  });
  return [up, requests];
}
