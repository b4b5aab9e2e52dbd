/** `GET sessions/{id}/manifest`: scans the source of a pull once, and answers with the same manifest ever after. */
import { CairnError } from '../../../base/errors.ts';
import type { ManifestParameters } from '../../../manifest/manifest.ts';
import { HEADER, PLAN } from '../../../wire/routes.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import { end, tellableError, write } from '../../http/reply.ts';
import { checkEntries, openUsage, type ComingManifest } from '../../core/quota/quota.ts';
import type { ServerContext } from '../../server-context.ts';
import { saveIdentities, saveManifest } from '../../core/sessions/session-documents.ts';
import { agree } from './agreeing.ts';
import { amongScans } from './scans.ts';
import { withSession, type SessionWork } from './session-request.ts';
import { encodeTail } from '../../../wire/tree-stream.ts';
import { beginTree, scanTree, type ScannedTree } from '../../http/tree-reply.ts';

/** A client that hears nothing for long takes the server for dead: the answer begins before its first line is there. */
const BEGIN_AFTER_MS = 2000;

/** Answers with the manifest of a pull. */
export function handleGetManifest(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare', direction: 'pull' }, async (work) => {
    // Before anything can begin the answer.
    if (wantsEverything(exchange)) exchange.response.setHeader(HEADER.plan, PLAN.everything);
    const begin = (): void => {
      if (!exchange.response.headersSent && !exchange.response.destroyed) beginTree(exchange);
    };
    const early = setTimeout(begin, BEGIN_AFTER_MS);
    try {
      await work.live.exclusive(() => answer(context, exchange, work, begin));
    } finally {
      clearTimeout(early);
    }
  });
}

async function answer(
  context: ServerContext,
  exchange: Exchange,
  work: SessionWork,
  begin: () => void,
): Promise<void> {
  const { live } = work;
  if (live.record.value.manifestId !== null) {
    await agreeIfWanted(context, exchange, work);
    await sendSaved(exchange, live, begin);
    return;
  }
  const failure = live.scanFailure;
  live.scanFailure = undefined;
  if (failure !== undefined) throw failure;
  let isClientThere = true;
  const onLines = async (lines: string): Promise<void> => {
    begin();
    // A client that was cut off comes back for the manifest: the scan goes on for it.
    if (isClientThere) await write(exchange, lines).catch(() => (isClientThere = false));
    if (exchange.failure !== undefined) throw exchange.failure;
    live.record.checkEpoch(work.epoch);
  };
  try {
    const tree = await scanAndKeep(context, exchange, work, onLines);
    // Like the manifest: who has seen the end of the tree can count on it.
    await agreeIfWanted(context, exchange, work);
    await end(exchange, Buffer.from(encodeTail(tree.manifest.id, tree.notices)));
  } catch (error) {
    const isCurrent = live.record.value.epoch === work.epoch && exchange.failure === undefined;
    const told = tellableError(error, context.hidePaths);
    // That this client has gone is nothing to tell the next one.
    if (exchange.response.headersSent && isCurrent && told.code !== 'network') live.scanFailure = told;
    throw error;
  }
}

function wantsEverything({ request }: Exchange): boolean {
  return request.headers[HEADER.plan] === PLAN.everything;
}

/** Agrees on a plan that carries everything, where the client wants that. */
async function agreeIfWanted(context: ServerContext, exchange: Exchange, work: SessionWork): Promise<void> {
  if (wantsEverything(exchange)) await agree(context, work, 'everything');
}

async function scanAndKeep(
  context: ServerContext,
  exchange: Exchange,
  { live, epoch }: SessionWork,
  onLines: (lines: string) => Promise<void>,
): Promise<ScannedTree> {
  const { principal, target, chunkSizeBytes, digest } = live.record.value;
  const parameters: ManifestParameters = { chunkSizeBytes, digest };
  const { maxEntries } = context.limits.manifest;
  const query = { path: target, parameters, maxEntries };
  const tree = await amongScans(context, { principal, exchange }, () =>
    scanTree(context.content, query, { keep: true, onLines }),
  );
  const { length: entries } = tree.manifest.entries;
  const manifestBytes = tree.manifest.encodedBytes;
  await checkKept(context, live, { manifestBytes, entries });
  const area = await live.content.area.get();
  await saveIdentities(area, tree.identities);
  await saveManifest(area, tree.manifest, tree.notices);
  // The end of the tree is sent after this: a client that has seen it can count on the manifest.
  await live.record.change('prepare', { manifestId: tree.manifest.id, manifestBytes, entries }, epoch);
  live.content.manifest.set(tree.manifest);
  live.content.identities.set(tree.identities);
  context.log.info({ session: live.id, entries, notices: tree.notices.length }, 'source scanned');
  return tree;
}

/** @throws CairnError `quota-exceeded`, `server-busy`, `storage-full` */
async function checkKept(
  { usage, room, limits }: ServerContext,
  { id, record }: LiveSession,
  { manifestBytes, entries }: ComingManifest,
): Promise<void> {
  const { authorization } = record.value;
  await openUsage(usage);
  if (authorization !== undefined) checkEntries(usage, { authorization, session: id }, entries, limits);
  await room.takeDocuments(id, manifestBytes, 'pull');
}

async function sendSaved(exchange: Exchange, live: LiveSession, begin: () => void): Promise<void> {
  const area = await live.content.area.get();
  const saved = await area.load('manifest');
  if (saved === undefined) throw new CairnError('internal', 'the manifest of the session was not kept');
  for await (const bytes of saved) {
    begin();
    await write(exchange, bytes);
  }
  await end(exchange);
}
