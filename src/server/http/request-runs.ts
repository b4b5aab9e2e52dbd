/** JSON messages with lists of runs out of request bodies: read as they come, whatever their length. */
import type * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { parseMessage } from '../../wire/parse-message.ts';
import { atMostBytes, readRuns } from '../core/sessions/plan-text.ts';
import { contentLengthOf, openBody, type Exchange } from './exchange.ts';

/** What is expected. */
export interface ExpectedRuns<Schema extends v.GenericSchema, Name extends string> {
  /** Of everything but the lists. */
  readonly schema: Schema;
  /** The lists, each of which has to be there. */
  readonly names: readonly Name[];
  /** Runs are of indices below this. */
  readonly entries: number;
  readonly maxBytes: number;
  readonly what: string;
}

/**
 * Reads and checks a message; what is held of its lists is a bit for each index.
 *
 * @throws CairnError `invalid-request` for one that is too long or not valid; `network`, `timeout`
 */
export async function readRunsMessage<Schema extends v.GenericSchema, Name extends string>(
  exchange: Exchange,
  { schema, maxBytes, what, ...expected }: ExpectedRuns<Schema, Name>,
): Promise<{ message: v.InferOutput<Schema>; sets: Record<Name, ChunkSet> }> {
  const tooLong = (): CairnError =>
    new CairnError('invalid-request', `${what} is longer than ${maxBytes} bytes`, {
      details: { limit: 'runs' },
    });
  if ((contentLengthOf(exchange) ?? 0) > maxBytes) throw tooLong();
  const body = atMostBytes(openBody(exchange), maxBytes, tooLong);
  const { sets, others } = await readRuns(body, { ...expected, what });
  return { message: parseMessage(schema, others, what), sets };
}
