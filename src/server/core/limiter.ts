/** Requests that cost a server more than most: few of a kind, or so much of them, at a time, shared out by principal. */
import { CairnError } from '../../base/errors.ts';

/** A request that wants a place, and its principal; one whose client goes away waits no longer. */
export interface Wanting {
  readonly principal: string;
  /** Aborted once the client no longer waits for the answer. */
  readonly signal: AbortSignal;
  /** How much of the limit it takes: 1, unless it says so. What is more than one principal may have takes that. */
  readonly cost?: number;
}

/** Takes so much of the limit in all, as soon as that is free. @throws CairnError `server-busy`, `network` */
export type Grow = (cost: number) => Promise<void>;

/** Does some work as soon as there is a place for it. @throws CairnError `server-busy`, `network`; what the work throws */
export type Limiter = <Result>(wanting: Wanting, work: (grow: Grow) => Promise<Result>) => Promise<Result>;

/** How many at a time: in all, and of one principal, so that one principal cannot take every place. */
export interface LimiterOptions {
  readonly max: number;
  readonly maxOfPrincipal: number;
  /** How long a request waits for a place, in milliseconds; without, it is refused at once. */
  readonly waitMs?: number;
}

interface Place {
  readonly principal: string;
  cost: number;
}

interface Places {
  /** What is under way. */
  readonly running: Set<Place>;
  /** The first to come gets a place first, where it is not too large for the free ones. */
  readonly waiting: Set<{ readonly place: Place; give(): void }>;
}

/** Requests that wait in all; each holds its connection, and nothing else. */
const MAX_WAITING = 1024;

/** Makes a limit of one server; `what` names it. */
export function createLimiter(limits: LimiterOptions, what: string): Limiter {
  const places: Places = { running: new Set(), waiting: new Set() };
  const named = { ...limits, what };
  return async ({ principal, signal, cost = 1 }, work) => {
    const place: Place = { principal, cost: Math.min(cost, limits.maxOfPrincipal) };
    await takePlace(places, place, signal, named);
    const grow: Grow = async (to) => {
      const more: Place = { principal, cost: Math.min(to, limits.maxOfPrincipal) - place.cost };
      if (more.cost <= 0) return;
      await takePlace(places, more, signal, named);
      places.running.delete(more);
      place.cost += more.cost;
    };
    try {
      return await work(grow);
    } finally {
      places.running.delete(place);
      giveAway(places, limits);
    }
  };
}

function isFree(
  { running }: Places,
  { principal, cost }: Place,
  { max, maxOfPrincipal }: LimiterOptions,
): boolean {
  let [all, own] = [cost, cost];
  for (const other of running) {
    all += other.cost;
    if (other.principal === principal) own += other.cost;
  }
  return all <= max && own <= maxOfPrincipal;
}

function giveAway(places: Places, limits: LimiterOptions): void {
  for (const one of places.waiting) {
    if (!isFree(places, one.place, limits)) continue;
    places.waiting.delete(one);
    places.running.add(one.place);
    one.give();
  }
}

async function takePlace(
  places: Places,
  place: Place,
  signal: AbortSignal,
  limits: LimiterOptions & { readonly what: string },
): Promise<void> {
  const { what, waitMs = 0 } = limits;
  if (isFree(places, place, limits)) {
    places.running.add(place);
    return;
  }
  const busy = new CairnError(
    'server-busy',
    `as many ${what} as may be are being answered here already; try again`,
    { details: { limit: what } },
  );
  if (waitMs === 0 || places.waiting.size >= MAX_WAITING) throw busy;
  if (signal.aborted) throw gone();
  await new Promise<void>((resolve, reject) => {
    const end = (error: CairnError | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onGone);
      places.waiting.delete(one);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onGone = (): void => end(gone());
    const timer = setTimeout(() => end(busy), waitMs);
    const one = { place, give: () => end(undefined) };
    places.waiting.add(one);
    signal.addEventListener('abort', onGone, { once: true });
  });
}

function gone(): CairnError {
  return new CairnError('network', 'the client is gone');
}

/** Walks through directories, and reading of manifests: each holds descriptors, the disk, or memory, for one answer. */
export interface ScanLimits {
  /** A scan of a tree, as soon as there is a place for it. */
  readonly scanLimiter: Limiter;
  /** Bytes that were read of manifests that are coming: these are in memory. The largest are read one by one. */
  readonly manifestLimiter: Limiter;
}

/** Makes these limits of one server. */
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
