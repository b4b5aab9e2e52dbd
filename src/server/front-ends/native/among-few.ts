/** Requests that cost a server more than most: few of a kind, or so much of them, at a time, shared out by principal. */
import { CairnError } from '../../../base/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { ServerContext } from '../../server-context.ts';

/** Who wants a place, and whom it is for: who goes away waits no longer. */
export interface Wanting {
  readonly principal: string;
  readonly exchange: Pick<Exchange, 'response'>;
  /** How much of the limit it takes: 1, unless it says so. What is more than one principal may have takes that. */
  readonly cost?: number;
}

/** Takes so much of the limit in all, as soon as that is free. @throws CairnError `server-busy`, `network` */
export type Grow = (cost: number) => Promise<void>;

/** Does some work as soon as there is a place for it. @throws CairnError `server-busy`, `network`; what the work throws */
export type Few = <Result>(
  context: ServerContext,
  wanting: Wanting,
  work: (grow: Grow) => Promise<Result>,
) => Promise<Result>;

/** How many at a time: in all, and of one principal, so that nobody takes the places of everybody else. */
export interface FewLimits {
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
  /** Who comes first gets a place first, where it is not too large for what is free. */
  readonly waiting: Set<{ readonly place: Place; give(): void }>;
}

/** Requests that wait in all; each holds its connection, and nothing else. */
const MAX_WAITING = 1024;

/** Makes a limit for each server; `what` names it. */
export function createFew(limits: FewLimits, what: string): Few {
  const ofServer = new WeakMap<ServerContext, Places>();
  return async (context, wanting, work) => {
    const places = ofServer.get(context) ?? { running: new Set(), waiting: new Set() };
    ofServer.set(context, places);
    const { principal, exchange, cost = 1 } = wanting;
    const named = { ...limits, what };
    const place: Place = { principal, cost: Math.min(cost, limits.maxOfPrincipal) };
    await takePlace(places, place, exchange, named);
    const grow: Grow = async (to) => {
      const more: Place = { principal, cost: Math.min(to, limits.maxOfPrincipal) - place.cost };
      if (more.cost <= 0) return;
      await takePlace(places, more, exchange, named);
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
  { max, maxOfPrincipal }: FewLimits,
): boolean {
  let [all, own] = [cost, cost];
  for (const other of running) {
    all += other.cost;
    if (other.principal === principal) own += other.cost;
  }
  return all <= max && own <= maxOfPrincipal;
}

function giveAway(places: Places, limits: FewLimits): void {
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
  { response }: Wanting['exchange'],
  limits: FewLimits & { readonly what: string },
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
  if (response.destroyed || response.closed) throw gone();
  await new Promise<void>((resolve, reject) => {
    const end = (error: CairnError | undefined): void => {
      clearTimeout(timer);
      response.off('close', onClose);
      places.waiting.delete(one);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = (): void => end(gone());
    const timer = setTimeout(() => end(busy), waitMs);
    const one = { place, give: () => end(undefined) };
    places.waiting.add(one);
    response.once('close', onClose);
  });
}

function gone(): CairnError {
  return new CairnError('network', 'the client is gone');
}
