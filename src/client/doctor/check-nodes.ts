/** Whether requests reach several servers through a balancer, and whether these share one store. */
import { sideBySide } from '../../base/side-by-side.ts';
import type { WhoAmI } from '../../wire/admin-messages.ts';
import type { Server } from '../http/server-calls.ts';
import { fetchWhoAmI } from './check-token.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

/** A balancer that takes one server after the other has shown all of a few by then. */
const ASKED = 16;
const AT_A_TIME = 4;

/** What an answer says of the server that gave it. */
export type Answerer = Pick<WhoAmI, 'store' | 'node' | 'nodes'>;

const SHARE =
  'have all servers serve one store (cairn serve --store), or the balancer send everything to one of them';
const SPREAD =
  'unless the URL is meant to be that of one server, have the balancer send each request to any of them (haproxy: balance roundrobin, no cookie and no stick-table; nginx: no ip_hash, no hash, no sticky)';

/** Asks again and again who answers, over several connections. @throws CairnError */
export async function checkNodes(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const answers: Answerer[] = [];
  await sideBySide(Array(ASKED).keys(), AT_A_TIME, async () => {
    const who = await fetchWhoAmI(server, signal);
    if (who !== undefined) answers.push(who);
  });
  return judgeNodes(answers);
}

/** What the answers to some requests say of the servers; nothing for one server that shares its store with no other. */
export function judgeNodes(answers: readonly Answerer[]): readonly Finding[] {
  const check = 'nodes';
  const stores = new Set(answers.map(({ store }) => store));
  const reached = new Set(answers.flatMap(({ node }) => node ?? []));
  const nodes = Math.max(reached.size, ...answers.map(({ nodes: count = 0 }) => count));
  if (stores.size > 1) {
    const message = `requests reach ${stores.size} servers that do not share a store: a transfer that one of them has begun is unknown to the others`;
    return [problem(check, 'session-not-found', message, SHARE)];
  }
  if (reached.size === 0) return [];
  if (nodes === 1) return [ok(check, 'one server of a shared store answers, and there is no other')];
  if (reached.size === 1) {
    const message = `all of ${answers.length} requests reached one of ${nodes} servers: the others have nothing to do, and when that one ends, its clients wait until the balancer notices`;
    return [warning(check, message, SPREAD)];
  }
  return [ok(check, `${reached.size} of ${nodes} servers answer, and share one store`)];
}
