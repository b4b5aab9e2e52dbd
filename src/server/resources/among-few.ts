/** Requests that cost a server more than most: few of a kind at a time. */
import { CairnError } from '../../base/errors.ts';
import type { Authorization } from '../auth/authorization.ts';
import type { ServerContext } from '../server-context.ts';

/** Does some work, unless too many do so already. @throws CairnError `server-busy`; what the work throws */
export type Few = (
  context: ServerContext,
  authorization: Pick<Authorization, 'principal'>,
  work: () => Promise<void>,
) => Promise<void>;

/** How many at a time: in all, and of one principal, so that nobody takes the places of everybody else. */
export interface FewLimits {
  readonly max: number;
  readonly maxOfPrincipal: number;
}

/** Makes a limit for each server; `what` names it. */
export function createFew({ max, maxOfPrincipal }: FewLimits, what: string): Few {
  /** The principals of what is under way, once for each. */
  const running = new WeakMap<ServerContext, string[]>();
  return async (context, { principal }, work) => {
    const others = running.get(context) ?? [];
    const own = others.filter((other) => other === principal).length;
    if (others.length >= max || own >= maxOfPrincipal) {
      const message = `as many ${what} as may be are being answered here already; try again`;
      throw new CairnError('server-busy', message, { details: { limit: what } });
    }
    others.push(principal);
    running.set(context, others);
    try {
      await work();
    } finally {
      others.splice(others.indexOf(principal), 1);
    }
  };
}
