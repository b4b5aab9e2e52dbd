/** `POST sessions/{id}/digests`: hashes files, so that the client learns which are the same. */
import { CairnError } from '../../../base/errors.ts';
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { mayHash } from '../../../session/scopes.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { Empty } from '../../../wire/messages.ts';
import { createLimiter } from '../../core/limiter.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import { openFileDigests } from '../../core/sessions/file-digests.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import type { LimitedLog } from '../../http/log-limiter.ts';
import { createLineWriter } from '../../http/line-writer.ts';
import { end, NDJSON_TYPE } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { WithSession } from './session-request.ts';

/** Requests for digests at a time on one server: each reads all bytes of its files from the disk. */
const AT_A_TIME = { max: 32, maxOfPrincipal: 16, waitMs: 20_000 };

/** What {@link createDigestsHandler} needs. */
export interface Hashing {
  readonly content: Pick<ContentStore, 'lookup' | 'read'>;
  readonly limitedLog: LimitedLog;
  /** Longest request, in bytes. */
  readonly maxRunsBytes: number;
}

/** Makes the handler that answers with the digests of files as they are now. */
export function createDigestsHandler(withSession: WithSession, hashing: Hashing): IdHandler {
  const limiter = createLimiter(AT_A_TIME, 'digests');
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare' }, async (work) => {
      const { live } = work;
      checkMayHash(live.record.value);
      const manifest = await live.content.manifest.get();
      const { sets } = await readRunsMessage(exchange, {
        schema: Empty,
        names: ['entries'],
        entries: manifest.entries.length,
        maxBytes: hashing.maxRunsBytes,
        what: 'the request for digests',
      });
      const { principal } = live.record.value;
      await limiter({ principal, signal: clientSignal(exchange) }, () =>
        answer(hashing, exchange, work, sets.entries),
      );
    });
}

async function answer(
  { content, limitedLog }: Hashing,
  exchange: Exchange,
  { live, epoch }: SessionWork,
  wanted: ReadonlyChunkSet,
): Promise<void> {
  const onFailure = (entry: number, error: unknown): void => {
    // A client may ask for such files as often as it likes.
    const of = { level: 'warn', kind: 'digest', address: live.record.value.principal } as const;
    limitedLog.note(of, { session: live.id, entry, err: error }, 'a file could not be hashed');
  };
  const digestOf = await openFileDigests({ content, onFailure }, live);
  exchange.response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
  const lines = createLineWriter(exchange);
  for (const index of wanted.values()) {
    const digest = await digestOf(index, lines.tick);
    await lines.add(JSON.stringify([index, digest]));
    live.record.checkEpoch(epoch);
  }
  await end(exchange, Buffer.from(`${lines.rest()}${JSON.stringify(['end', wanted.size])}\n`));
}

/** The digest of a short file gives its content away. @throws CairnError `forbidden` */
function checkMayHash({ pass, authorization }: SessionRecord): void {
  if (pass.direction === 'pull' || mayHash(authorization?.scopes ?? [])) return;
  throw new CairnError(
    'forbidden',
    'digests of the files at the target need the scope "read" beside "write"',
  );
}
