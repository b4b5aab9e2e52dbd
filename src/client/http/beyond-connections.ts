/** Whether a failure says that there are as many connections as there may be. */
import { CairnError } from '../../base/errors.ts';

/** What a server names that has enough of them; see the limits in PROTOCOL.md. */
const LIMITS = new Set<unknown>(['connections', 'connections-per-address']);

/**
 * Whether an error says so: in the words of a cairn server, or because no connection could be opened at all. Fewer, and
 * those that are there, may still do.
 */
export function isBeyondConnections(error: unknown): boolean {
  if (!(error instanceof CairnError)) return false;
  return LIMITS.has(error.details['limit']) || error.details['isUnconnected'] === true;
}
