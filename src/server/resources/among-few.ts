/** Requests that cost a server more than most: few of a kind at a time, shared out by principal. */
import { CairnError } from '../../base/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ServerContext } from '../server-context.ts';

/** Who wants a place, and whom it is for: who goes away waits no longer. */
export interface Wanting {
  readonly principal: string;
  readonly exchange: Pick<Exchange, 'response'>;
}

/** Does some work as soon as there is a place for it. @throws CairnError `server-busy`, `network`; what the work throws */
export type Few = <Result>(
  context: ServerContext,
  wanting: Wanting,
  work: () => Promise<Result>,
) => Promise<Result>;

/** How many at a time: in all, and of one principal, so that nobody takes the places of everybody else. */
export interface FewLimits {
  readonly max: number;
  readonly maxOfPrincipal: number;
  /** How long a request waits for a place, in milliseconds; without, it is refused at once. */
  readonly waitMs?: number;
}

interface Places {
  /** The principals of what is under way, once for each. */
  readonly running: string[];
  /** Who comes first gets a place first, unless others of the same principal have all that it may have. */
  readonly waiting: Set<{ readonly principal: string; give(): void }>;
}

/** Requests that wait in all; each holds its connection, and nothing else. */
const MAX_WAITING = 1024;

/** Makes a limit for each server; `what` names it. */
export function createFew(limits: FewLimits, what: string): Few {
  const ofServer = new WeakMap<ServerContext, Places>();
  return async (context, wanting, work) => {
    const places = ofServer.get(context) ?? { running: [], waiting: new Set() };
    ofServer.set(context, places);
    await takePlace(places, wanting, { ...limits, what });
    try {
      return await work();
    } finally {
      places.running.splice(places.running.indexOf(wanting.principal), 1);
      giveAway(places, limits);
    }
  };
}

function isFree({ running }: Places, principal: string, { max, maxOfPrincipal }: FewLimits): boolean {
  return running.length < max && running.filter((other) => other === principal).length < maxOfPrincipal;
}

function giveAway(places: Places, limits: FewLimits): void {
  for (const one of places.waiting) {
    if (places.running.length >= limits.max) return;
    if (!isFree(places, one.principal, limits)) continue;
    places.waiting.delete(one);
    places.running.push(one.principal);
    one.give();
  }
}

async function takePlace(
  places: Places,
  { principal, exchange }: Wanting,
  limits: FewLimits & { readonly what: string },
): Promise<void> {
  const { what, waitMs = 0 } = limits;
  if (isFree(places, principal, limits)) {
    places.running.push(principal);
    return;
  }
  const busy = new CairnError(
    'server-busy',
    `as many ${what} as may be are being answered here already; try again`,
    { details: { limit: what } },
  );
  if (waitMs === 0 || places.waiting.size >= MAX_WAITING) throw busy;
  const { response } = exchange;
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
    const one = { principal, give: () => end(undefined) };
    places.waiting.add(one);
    response.once('close', onClose);
  });
}

function gone(): CairnError {
  return new CairnError('network', 'the client is gone');
}
