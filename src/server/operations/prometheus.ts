/** The metrics of a server for Prometheus. Jobs of the command line have a few of their own. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { SESSION_STATES } from '../../session/session-states.ts';
import { metricsOfMemory } from './memory-metrics.ts';
import type { ExposedMetrics, MetricsSources } from './metrics.ts';

/** A sync of some MiB takes milliseconds on a good disk, and seconds on a bad one. */
const SYNC_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Makes the metrics of one server, in a registry of its own. */
export function openPrometheusMetrics(sources: MetricsSources): ExposedMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const gauge of gaugesOf(sources)) registry.registerMetric(gauge);
  for (const metric of metricsOfMemory(sources.memory)) registry.registerMetric(metric);
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: `cairn_${name}`, help, labelNames, registers });
  const requests = counter(
    'http_requests_total',
    'Requests that were answered, or that ended without an answer (499).',
    ['route', 'status'],
  );
  const failed = counter('authentication_failures_total', 'Refused tokens, credentials and certificates.', [
    'reason',
  ]);
  const limited = counter('limit_refusals_total', 'Requests that a limit refused.', ['limit']);
  const received = counter('received_bytes_total', 'Payload bytes of chunks that came in.');
  const twice = counter(
    'received_twice_bytes_total',
    'Payload bytes of chunks that came in although they were there already.',
  );
  const sent = counter('sent_bytes_total', 'Payload bytes of chunks and files that went out.');
  const resumes = counter('session_resumes_total', 'Sessions that went on in a new epoch.');
  const collected = counter(
    'collected_total',
    'Freed by the collector: expired sessions, records of ended ones, staging areas left behind.',
    ['what'],
  );
  const commits = counter('commits_total', 'Transfers that this server has published.');
  const syncs = new Histogram({
    name: 'cairn_sync_duration_seconds',
    help: 'How long it took to make staged chunks durable.',
    buckets: SYNC_BUCKETS_SECONDS,
    registers,
  });
  return {
    requestEnded: (route, status) => requests.inc({ route, status: `${Math.floor(status / 100)}xx` }),
    authenticationFailed: (reason) => failed.inc({ reason }),
    refusedByLimit: (limit) => limited.inc({ limit }),
    received: (bytes, twiceBytes) => {
      received.inc(bytes);
      twice.inc(twiceBytes);
    },
    sent: (bytes) => sent.inc(bytes),
    resumed: () => resumes.inc(),
    collected: (what, count) => collected.inc({ what }, count),
    committed: () => commits.inc(),
    synced: (durationMs) => syncs.observe(durationMs / 1000),
    page: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    close: () => registry.clear(),
  };
}

/** The gauges, which look their values up when a client asks for the page. */
function gaugesOf(sources: MetricsSources): Gauge[] {
  const sessions = new Gauge({
    name: 'cairn_sessions',
    help: 'Sessions that the server keeps a record of, by state; of servers that share a store one tells it.',
    labelNames: ['state'],
    registers: [],
    async collect() {
      this.reset();
      if (!sources.tellsShared()) return;
      const counts = await sources.sessionsByState();
      for (const state of SESSION_STATES) this.set({ state }, counts.get(state) ?? 0);
    },
  });
  const connections = new Gauge({
    name: 'cairn_open_connections',
    help: 'Connections of clients.',
    registers: [],
    async collect() {
      this.set(await sources.openConnections());
    },
  });
  const staged = new Gauge({
    name: 'cairn_staging_bytes',
    help: 'Bytes that unfinished pushes take in staging, or will; of servers that share a store one tells it.',
    labelNames: [],
    registers: [],
    collect() {
      this.remove();
      if (sources.tellsShared()) this.set(sources.stagedBytes());
    },
  });
  const disk = new Gauge({
    name: 'cairn_disk_free_bytes',
    help: 'Bytes that are free where the server writes.',
    labelNames: ['place'],
    registers: [],
    async collect() {
      this.reset();
      for (const [place, bytes] of await sources.freeBytes()) this.set({ place }, bytes);
    },
  });
  const nodes = new Gauge({
    name: 'cairn_nodes',
    help: 'Servers that share the store, of which one tells this and what else they have in common.',
    registers: [],
    collect() {
      const count = sources.nodes();
      this.remove();
      if (count !== undefined && sources.tellsShared()) this.set(count);
    },
  });
  return [sessions, connections, staged, disk, nodes];
}
