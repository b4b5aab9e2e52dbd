/** Limits requests that cost a server much: a few at a time, or a sum of costs, shared out by principal. */
import { CairnError } from '../../base/errors.ts';

/** A request that wants a permit, and its principal. */
export interface LimitedRequest {
  readonly principal: string;
  /** Aborted once the client no longer waits for the answer; then the request waits no longer. */
  readonly signal: AbortSignal;
  /** Its part of the limit: 1 without, and never more than one principal may have. */
  readonly cost?: number;
}

/** Takes this much of the limit in all, as soon as it is free. @throws CairnError `server-busy`, `network` */
export type Grow = (cost: number) => Promise<void>;

/** Does some work once there is a permit for it. @throws CairnError `server-busy`, `network`; errors of the work */
export type Limiter = <Result>(
  wanting: LimitedRequest,
  work: (grow: Grow) => Promise<Result>,
) => Promise<Result>;

/** How much at a time: in all, and for one principal, so that one principal cannot take everything. */
export interface LimiterOptions {
  readonly max: number;
  readonly maxOfPrincipal: number;
  /** How long a request waits for a permit, in milliseconds; without, it is refused at once. */
  readonly waitMs?: number;
}

interface Permit {
  readonly principal: string;
  cost: number;
}

interface Permits {
  /** Permits in use. */
  readonly running: Set<Permit>;
  /** In order of arrival; a small request may go before one that is too large for the free part. */
  readonly waiting: Set<{ readonly permit: Permit; give(): void }>;
}

/** Most requests that wait; each holds its connection, and nothing else. */
const MAX_WAITING = 1024;

/** Makes a limiter of one server; messages call the limited requests `what`. */
export function createLimiter(limits: LimiterOptions, what: string): Limiter {
  const permits: Permits = { running: new Set(), waiting: new Set() };
  const named = { ...limits, what };
  return async ({ principal, signal, cost = 1 }, work) => {
    const permit: Permit = { principal, cost: Math.min(cost, limits.maxOfPrincipal) };
    await takePermit(permits, permit, signal, named);
    const grow: Grow = async (to) => {
      const more: Permit = { principal, cost: Math.min(to, limits.maxOfPrincipal) - permit.cost };
      if (more.cost <= 0) return;
      await takePermit(permits, more, signal, named);
      permits.running.delete(more);
      permit.cost += more.cost;
    };
    try {
      return await work(grow);
    } finally {
      permits.running.delete(permit);
      giveOut(permits, limits);
    }
  };
}

function isFree(
  { running }: Permits,
  { principal, cost }: Permit,
  { max, maxOfPrincipal }: LimiterOptions,
): boolean {
  let [all, own] = [cost, cost];
  for (const other of running) {
    all += other.cost;
    if (other.principal === principal) own += other.cost;
  }
  return all <= max && own <= maxOfPrincipal;
}

function giveOut(permits: Permits, limits: LimiterOptions): void {
  for (const one of permits.waiting) {
    if (!isFree(permits, one.permit, limits)) continue;
    permits.waiting.delete(one);
    permits.running.add(one.permit);
    one.give();
  }
}

async function takePermit(
  permits: Permits,
  permit: Permit,
  signal: AbortSignal,
  limits: LimiterOptions & { readonly what: string },
): Promise<void> {
  const { what, waitMs = 0 } = limits;
  if (isFree(permits, permit, limits)) {
    permits.running.add(permit);
    return;
  }
  const busy = new CairnError(
    'server-busy',
    `the server is already at work on as many ${what} as it allows at a time; try again`,
    { details: { limit: what } },
  );
  if (waitMs === 0 || permits.waiting.size >= MAX_WAITING) throw busy;
  if (signal.aborted) throw gone();
  await new Promise<void>((resolve, reject) => {
    const end = (error: CairnError | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onGone);
      permits.waiting.delete(one);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onGone = (): void => end(gone());
    const timer = setTimeout(() => end(busy), waitMs);
    const one = { permit, give: () => end(undefined) };
    permits.waiting.add(one);
    signal.addEventListener('abort', onGone, { once: true });
  });
}

function gone(): CairnError {
  return new CairnError('network', 'the client closed the connection');
}

/**
 * Limiters for scans of directories and for manifests: each scan holds descriptors and the disk, each manifest
 * memory.
 */
export interface ScanLimits {
  /** Limits scans of trees. */
  readonly scanLimiter: Limiter;
  /** Limits the bytes of manifests in memory that are still coming. The largest are read one by one. */
  readonly manifestLimiter: Limiter;
}

/** Makes these limiters of one server. */
export function createScanLimits(): ScanLimits {
  const MIB = 1024 ** 2;
  return {
    scanLimiter: createLimiter({ max: 32, maxOfPrincipal: 8, waitMs: 20_000 }, 'scans'),
    manifestLimiter: createLimiter(
      { max: 256 * MIB, maxOfPrincipal: 128 * MIB, waitMs: 20_000 },
      'manifests',
    ),
  };
}
