/** Requests that cost a server more than most: few of a kind at a time. */
import { CairnError } from '../../base/errors.ts';
import type { ServerContext } from '../server-context.ts';

/** Does some work, unless too many do so already. @throws CairnError `server-busy`; what the work throws */
export type Few = (context: ServerContext, work: () => Promise<void>) => Promise<void>;

/** Makes a limit of `max` at a time for each server; `what` names it. */
export function createFew(max: number, what: string): Few {
  const running = new WeakMap<ServerContext, number>();
  return async (context, work) => {
    const others = running.get(context) ?? 0;
    if (others >= max) {
      const message = `${max} ${what} are being answered here already; try again`;
      throw new CairnError('server-busy', message, { details: { limit: what } });
    }
    running.set(context, others + 1);
    try {
      await work();
    } finally {
      running.set(context, (running.get(context) ?? 1) - 1);
    }
  };
}
