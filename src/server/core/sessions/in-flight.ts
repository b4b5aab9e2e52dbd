/** Keeps the unanswered requests of a session, and ends old ones to make room for a newer one. */
import { CairnError } from '../../../base/errors.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';

/**
 * Runs `work` as a request in flight, which others may end.
 *
 * @throws CairnError errors of the work
 */
export async function inFlight(
  live: LiveSession,
  request: Omit<SessionRequest, 'done' | 'ended'>,
  work: (entry: SessionRequest) => Promise<void>,
): Promise<void> {
  let [over, tellEnded] = [(): void => undefined, (): void => undefined];
  const done = new Promise<void>((resolve) => {
    over = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    tellEnded = resolve;
  });
  const end = (error: CairnError): void => {
    request.end(error);
    tellEnded();
  };
  const entry: SessionRequest = { ...request, end, ended, done };
  const older = new Set([...live.requests].filter(({ chunk }) => chunk !== undefined));
  live.requests.add(entry);
  try {
    if (request.chunk !== undefined) await makeRoom(live, request.chunk, older);
    await work(entry);
  } catch (error) {
    live.noteFailure(error);
    throw error;
  } finally {
    live.requests.delete(entry);
    over();
  }
}

/**
 * Whoever asks for a chunk again has given up its older request, also where this side has not seen that yet. After a
 * cut, dead requests for other chunks hold the places of the living: twice the agreed number is taken, then the oldest
 * ends. What it brought stays as a partial chunk.
 */
async function makeRoom(live: LiveSession, chunk: number, older: ReadonlySet<SessionRequest>): Promise<void> {
  const newer = new CairnError('chunk-conflict', `a newer request for chunk ${chunk} has replaced this one`, {
    details: { chunk },
  });
  await live.endRequests((request) => older.has(request) && request.chunk === chunk, newer);
  const [oldest] = older;
  if (older.size < 2 * live.record.value.parallel) return;
  const crowded = new CairnError('server-busy', 'the client asked for more chunks at a time than was agreed');
  await live.endRequests((request) => request === oldest, crowded);
}
