/**
 * Chooses the node that carries out the commit of a session, where many nodes share the records: a lease in the record,
 * and a term that fences off a node after another has taken over. Safety rests on the term; the time only says when a
 * node may take over.
 */

/** The publisher of a session. Only the node that holds it publishes. */
export interface Publisher {
  /** Random id of the server process. */
  readonly node: string;
  /** Raised by one with every claim. */
  readonly term: number;
  /** When the lease ends unless it is renewed, in milliseconds since 1970; 0 after its node has given it back. */
  readonly untilMs: number;
  /** Published entries, when the node last recorded them. */
  readonly entriesDone?: number | undefined;
  /** Whether entries may be published already, and a node can still finish publishing. */
  readonly begun?: boolean | undefined;
}

/** The publisher after a node has claimed the session. */
export function claimedBy(
  node: string,
  { before, untilMs }: { readonly before: Publisher | undefined; readonly untilMs: number },
): Publisher {
  const { term = 0, entriesDone, begun } = before ?? {};
  return { node, term: term + 1, untilMs, entriesDone, begun };
}

/** The publisher after its node has given it back; `begun` stays where another node has to finish publishing. */
export function givenBack(publisher: Publisher, isToBeFinished: boolean): Publisher {
  return { ...publisher, untilMs: 0, begun: isToBeFinished ? publisher.begun : undefined };
}
