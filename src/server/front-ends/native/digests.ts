/** `POST sessions/{id}/digests`: reads and hashes files, so that the client learns which are the same. */
import { CairnError } from '../../../base/errors.ts';
import { joinPath } from '../../../base/safe-path.ts';
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import { fileDigester, loadHasher, type HasherFactory } from '../../../manifest/digest.ts';
import type { Identity } from '../../../manifest/entry.ts';
import { Empty } from '../../../wire/messages.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { mayHash } from '../../../session/scopes.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import { sourceCodeOf } from '../../../transfer/excluded-entries.ts';
import { end, NDJSON_TYPE, write } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { ServerContext } from '../../server-context.ts';
import { createFew } from './among-few.ts';
import { withSession, type SessionWork } from './session-request.ts';

/** Requests for digests that one server answers at a time: each reads a disk for as long as its files are. */
const amongFew = createFew({ max: 32, maxOfPrincipal: 16, waitMs: 20_000 }, 'digests');

/** Lines go out in batches of so many characters, or after so long. */
const BATCH = { characters: 16 * 1024, afterMs: 2000 };

/** Answers with the digests of files as they are now. */
export function handleDigests(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare' }, async ({ live, epoch }) => {
    checkMayHash(live.record.value);
    const manifest = await live.content.manifest.get();
    const { sets } = await readRunsMessage(exchange, {
      schema: Empty,
      names: ['entries'],
      entries: manifest.entries.length,
      maxBytes: context.limits.maxRunsBytes,
      what: 'the request for digests',
    });
    const { principal } = live.record.value;
    await amongFew(context, { principal, exchange }, async () => {
      await answer(context, exchange, { live, epoch, wanted: sets.entries });
    });
  });
}

async function answer(
  context: ServerContext,
  exchange: Exchange,
  { live, epoch, wanted }: Pick<SessionWork, 'live' | 'epoch'> & { wanted: ReadonlyChunkSet },
): Promise<void> {
  const manifest = await live.content.manifest.get();
  const createHasher = await loadHasher(manifest.digest);
  const reader = await createReader(context, live, createHasher);
  exchange.response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
  const lines = createLineWriter(exchange);
  for (const index of wanted.values()) {
    const digest = await reader(index, lines.tick);
    await lines.add(JSON.stringify([index, digest]));
    live.record.checkEpoch(epoch);
  }
  await end(exchange, Buffer.from(`${lines.rest()}${JSON.stringify(['end', wanted.size])}\n`));
}

/** Of little content the digest tells the content. @throws CairnError `forbidden` */
function checkMayHash({ direction, authorization }: SessionRecord): void {
  if (direction === 'pull' || mayHash(authorization?.scopes ?? [])) return;
  throw new CairnError('forbidden', 'digests of what is at the target need the scope "read" beside "write"');
}

type DigestReader = (index: number, tick: () => Promise<void>) => Promise<string | null>;

async function createReader(
  context: ServerContext,
  live: LiveSession,
  createHasher: HasherFactory,
): Promise<DigestReader> {
  const { direction, target } = live.record.value;
  const { entries, chunkSizeBytes } = await live.content.manifest.get();
  const identities = direction === 'pull' ? await live.content.identities.get() : undefined;

  const find = async (
    index: number,
  ): Promise<{ sizeBytes: number; identity: Identity | undefined } | undefined> => {
    const entry = entries.at(index)!;
    if (identities !== undefined) {
      return entry.type === 'file'
        ? { sizeBytes: entry.sizeBytes, identity: identities.at(index) }
        : undefined;
    }
    const [there] = await context.content.lookup([joinPath(target, entry.path)]);
    if (there?.entry.type !== 'file') return undefined;
    return { sizeBytes: there.entry.sizeBytes, identity: there.identity };
  };

  return async (index, tick) => {
    try {
      const found = await find(index);
      if (found === undefined) return null;
      const digester = fileDigester(createHasher, chunkSizeBytes);
      const range = { from: 0, to: found.sizeBytes };
      const path = joinPath(target, entries.pathOf(index));
      for await (const piece of context.content.read(path, range, found.identity)) {
        digester.update(piece);
        await tick();
      }
      return digester.digest();
    } catch (error) {
      // The client learns that there is no digest; only what says nothing of the file is a failure of the request.
      if (sourceCodeOf(error) === undefined) throw error;
      // Whoever asks may name as many of them as often as they like.
      const of = { level: 'warn', kind: 'digest', address: live.record.value.principal } as const;
      const fields = { session: live.id, entry: index, err: error };
      context.limitedLog.note(of, fields, 'a file could not be hashed');
      return null;
    }
  };
}

interface LineWriter {
  add(line: string): Promise<void>;
  /** Called now and then while nothing is ready: keeps the connection alive by an empty line. */
  tick(): Promise<void>;
  /** What was added and not written yet. */
  rest(): string;
}

function createLineWriter(exchange: Exchange): LineWriter {
  let pending = '';
  let writtenAt = Date.now();
  const isDue = (): boolean => Date.now() - writtenAt >= BATCH.afterMs;
  const flush = async (text: string): Promise<void> => {
    pending = '';
    writtenAt = Date.now();
    await write(exchange, text);
  };
  return {
    add: async (line) => {
      pending += `${line}\n`;
      if (pending.length >= BATCH.characters || isDue()) await flush(pending);
    },
    tick: async () => {
      if (isDue()) await flush(pending === '' ? '\n' : pending);
    },
    rest: () => pending,
  };
}
