/** `POST sessions/{id}/blocks` and `grains`: what older files at the target of a push, or the sources of a pull, are made of. */
import { CairnError } from '../../../base/errors.ts';
import { splitLines } from '../../../manifest/manifest-reader.ts';
import { BLOCK_BYTES } from '../../../manifest/gear2.ts';
import type { BlockRange } from '../../../manifest/read-blocks.ts';
import { MAX_RANGES } from '../../../manifest/parts-document.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { KeptCuts } from '../../../storage/state/kept-cuts.ts';
import { encodeFrames, lastFrame } from '../../../wire/cut-frames.ts';
import { parseBlockLine } from '../../../wire/block-lines.ts';
import { Empty } from '../../../wire/messages.ts';
import { createLimiter } from '../../core/limiter.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import { openFileCuts, type FileCuts, type Records } from '../../core/sessions/file-cuts.ts';
import { atMostBytes } from '../../core/sessions/plan-text.ts';
import { checkTakesParts } from '../../core/sessions/taking-parts.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { openBody, type Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import type { LimitedLog } from '../../http/log-limiter.ts';
import { end, write } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { WithSession } from './session-request.ts';

/** Requests at a time on one server: each reads files from the disk, and takes some memory. */
const AT_A_TIME = { max: 8, maxOfPrincipal: 4, waitMs: 20_000 };
/** How long an answer says nothing while the server works, in milliseconds. */
const SILENT_MS = 2000;

/** What {@link createCutsHandlers} needs. */
export interface Cutting {
  readonly content: Pick<ContentStore, 'lookup' | 'read' | 'properties'>;
  readonly kept?: KeptCuts | undefined;
  readonly limitedLog: LimitedLog;
  /** Longest request, in bytes. */
  readonly maxRunsBytes: number;
}

/** Gives the records of entries, one after the other. */
type Answer = (cuts: FileCuts) => Iterable<readonly [entry: number, records: Records]>;

/** Makes the handlers that answer with the blocks of files, and with the grains of some blocks. */
export function createCutsHandlers(
  withSession: WithSession,
  cutting: Cutting,
): { readonly blocks: IdHandler; readonly grains: IdHandler } {
  const limiter = createLimiter(AT_A_TIME, 'comparisons of files');
  const handler =
    (read: (exchange: Exchange, entries: number) => Promise<Answer>): IdHandler =>
    (exchange, id) =>
      withSession(exchange, { id, event: 'prepare' }, async (work) => {
        const { record, content } = work.live;
        checkTakesParts(cutting.content.properties, record.value);
        const { length } = (await content.manifest.get()).entries;
        const { principal } = record.value;
        await limiter({ principal, signal: clientSignal(exchange) }, async () =>
          send(cutting, exchange, work, await read(exchange, length)),
        );
      });
  return {
    blocks: handler(async (exchange, entries) => {
      const { sets } = await readRunsMessage(exchange, {
        schema: Empty,
        names: ['entries'],
        entries,
        maxBytes: cutting.maxRunsBytes,
        what: 'the request for blocks',
      });
      return (cuts) => mapped(sets.entries.values(), (entry) => [entry, cuts.blocksOf(entry)]);
    }),
    grains: handler(async (exchange, entries) => {
      const asked = await readBlockRanges(exchange, entries, cutting.maxRunsBytes);
      return (cuts) => mapped(asked, ([entry, blocks]) => [entry, cuts.grainsOf(entry, blocks)]);
    }),
  };
}

function* mapped<From, To>(values: Iterable<From>, to: (value: From) => To): Generator<To> {
  for (const value of values) yield to(value);
}

async function readBlockRanges(
  exchange: Exchange,
  entries: number,
  maxBytes: number,
): Promise<Map<number, BlockRange[]>> {
  const tooLong = (): CairnError =>
    new CairnError('invalid-request', 'the request for grains names too many blocks', {
      details: { limit: 'runs' },
    });
  const asked = new Map<number, BlockRange[]>();
  let left = MAX_RANGES;
  for await (const lines of splitLines(atMostBytes(openBody(exchange), maxBytes, tooLong))) {
    for (const line of lines) {
      const { entry, blocks } = parseBlockLine(line, entries, BLOCK_BYTES.max);
      left -= blocks.length;
      if (left < 0) throw tooLong();
      const own = asked.get(entry) ?? [];
      own.push(...blocks);
      asked.set(entry, own);
    }
  }
  return asked;
}

async function send(
  { content, kept, limitedLog }: Cutting,
  exchange: Exchange,
  { live, epoch }: SessionWork,
  answer: Answer,
): Promise<void> {
  const onFailure = (entry: number, error: unknown): void => {
    const of = { level: 'warn', kind: 'cut', address: live.record.value.principal } as const;
    limitedLog.note(of, { session: live.id, entry, err: error }, 'a file could not be compared');
  };
  const cuts = await openFileCuts({ content, kept, onFailure }, live);
  exchange.response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
  let writtenAt = performance.now();
  for (const [entry, records] of answer(cuts)) {
    for await (const bytes of records) {
      const isSilent = bytes.byteLength === 0;
      if (isSilent && performance.now() - writtenAt < SILENT_MS) continue;
      for (const frame of encodeFrames(entry, bytes)) await write(exchange, frame);
      writtenAt = performance.now();
      live.record.checkEpoch(epoch);
    }
  }
  await end(exchange, lastFrame());
}
