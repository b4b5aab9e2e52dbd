/** `GET sessions/{id}/manifest`: scans the source of a pull once; later requests get the same manifest. */
import { CairnError } from '../../../base/errors.ts';
import { UNCARRIED, type UncarriedCounts } from '../../../manifest/metadata.ts';
import { HEADER, PLAN, TELL_UNCARRIED } from '../../../wire/routes.ts';
import { encodeTail, encodeUncarried } from '../../../wire/tree-stream.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import type { Agree } from '../../core/sessions/agreeing.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import type { ScanSource } from '../../core/sessions/source-scan.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { end, tellableError, write } from '../../http/reply.ts';
import { beginTree } from '../../http/tree-reply.ts';
import type { WithSession } from './session-request.ts';

/** A long silence looks like a dead server, so the answer begins after this time even without its first line. */
const BEGIN_AFTER_MS = 2000;

/** What {@link createGetManifestHandler} needs. */
export interface PullManifest {
  readonly scanSource: ScanSource;
  readonly agree: Agree;
  /** Removes paths of this machine from texts for clients. */
  readonly hidePaths: (text: string) => string;
}

/** Makes the handler that answers with the manifest of a pull. */
export function createGetManifestHandler(withSession: WithSession, making: PullManifest): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare', direction: 'pull' }, async (work) => {
      // Before `begin` sends the headers.
      if (wantsEverything(exchange)) exchange.response.setHeader(HEADER.plan, PLAN.everything);
      const begin = (): void => {
        if (!exchange.response.headersSent && !exchange.response.destroyed) beginTree(exchange);
      };
      const early = setTimeout(begin, BEGIN_AFTER_MS);
      try {
        await work.live.exclusive(() => answer(making, exchange, work, begin));
      } finally {
        clearTimeout(early);
      }
    });
}

async function answer(
  { scanSource, agree, hidePaths }: PullManifest,
  exchange: Exchange,
  work: SessionWork,
  begin: () => void,
): Promise<void> {
  const { live } = work;
  const agreeIfWanted = async (): Promise<void> => {
    if (wantsEverything(exchange)) await agree(work, 'everything');
  };
  if (live.record.value.pass.manifestId !== null) {
    await agreeIfWanted();
    await sendSaved(exchange, live, begin);
    return;
  }
  const failure = live.scanFailure;
  live.scanFailure = undefined;
  if (failure !== undefined) throw failure;
  let isClientThere = true;
  const onLines = async (lines: string): Promise<void> => {
    begin();
    // The scan goes on for a client that was cut off: it comes back for the manifest.
    if (isClientThere) await write(exchange, lines).catch(() => (isClientThere = false));
    if (exchange.failure !== undefined) throw exchange.failure;
    live.record.checkEpoch(work.epoch);
  };
  try {
    const tree = await scanSource(work, { signal: clientSignal(exchange), onLines });
    // Agreed before the end goes out: a client that has seen the end of the tree counts on the plan.
    await agreeIfWanted();
    const uncarried = wantsUncarried(exchange) ? encodeUncarried(tree.uncarried) : '';
    await end(exchange, Buffer.from(uncarried + encodeTail(tree.manifest.id, tree.notices)));
  } catch (error) {
    const isCurrent = live.record.value.epoch === work.epoch && exchange.failure === undefined;
    const told = tellableError(error, hidePaths);
    // The next request need not hear that this client has gone.
    if (exchange.response.headersSent && isCurrent && told.code !== 'network') live.scanFailure = told;
    throw error;
  }
}

function wantsEverything({ request }: Exchange): boolean {
  return request.headers[HEADER.plan] === PLAN.everything;
}

function wantsUncarried({ request }: Exchange): boolean {
  return request.headers[HEADER.uncarried] === TELL_UNCARRIED;
}

/** What the scan has counted, also where it was before a restart. */
function uncarriedOf({ record }: LiveSession): UncarriedCounts {
  const { uncarried = {} } = record.value.pass;
  return new Map(UNCARRIED.flatMap((what) => (uncarried[what] ? [[what, uncarried[what]] as const] : [])));
}

async function sendSaved(exchange: Exchange, live: LiveSession, begin: () => void): Promise<void> {
  const area = await live.content.area.get();
  const saved = await area.load('manifest');
  if (saved === undefined) throw new CairnError('internal', 'the manifest of the session was not kept');
  let ahead = wantsUncarried(exchange) ? encodeUncarried(uncarriedOf(live)) : '';
  for await (const bytes of saved) {
    begin();
    if (ahead !== '') await write(exchange, ahead);
    ahead = '';
    await write(exchange, bytes);
  }
  await end(exchange);
}
