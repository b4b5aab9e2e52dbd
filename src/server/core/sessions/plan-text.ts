/** Plans and other lists of runs as text, read and written in pieces, since they may have millions of runs. */
import { createBreather } from '../../../base/breather.ts';
import type { CairnError } from '../../../base/errors.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { Parts } from '../../../manifest/parts-document.ts';
import { PlanWithoutRuns, type Plan } from '../../../wire/messages.ts';
import { parseMessage } from '../../../wire/parse-message.ts';
import { createRunsReader } from '../../../wire/runs-reader.ts';

/** The sets of a plan over the entries of a manifest: those that are there, and those whose attributes are set. */
export interface PlanSets {
  readonly have: ReadonlyChunkSet;
  readonly attributes: ReadonlyChunkSet;
  /** Of which files only parts are carried; undefined where of none. */
  readonly parts?: AgreedParts | undefined;
}

/** A document of parts, and its id. */
export interface AgreedParts {
  readonly id: string;
  readonly assemblies: Parts;
}

/** The sets of a plan for this many entries. @throws CairnError `invalid-request` */
export function planSetsOf({ have, attributes }: Plan, entries: number): PlanSets {
  return { have: ChunkSet.fromRuns(have, entries), attributes: ChunkSet.fromRuns(attributes, entries) };
}

/** Reads a plan, with the id of its parts. @throws CairnError `invalid-request`; errors of the source */
export async function readPlan(
  source: AsyncIterable<Uint8Array>,
  entries: number,
  what: string,
): Promise<{ readonly sets: PlanSets; readonly partsId: string | undefined }> {
  const { sets, others } = await readRuns(source, { names: ['have', 'attributes'], entries, what });
  return { sets, partsId: parseMessage(PlanWithoutRuns, others, what).parts };
}

/**
 * Reads an object with lists of runs of entries, and its other members.
 *
 * @throws CairnError `invalid-request`; errors of the source
 */
export async function readRuns<Name extends string>(
  source: AsyncIterable<Uint8Array>,
  { names, entries, what }: { names: readonly Name[]; entries: number; what: string },
): Promise<{ sets: Record<Name, ChunkSet>; others: Record<string, unknown> }> {
  const building = names.map((name) => [name, ChunkSet.building(entries)] as const);
  const reader = createRunsReader(new Map(building.map(([name, { add }]) => [name, add])), what);
  const breathe = createBreather();
  for await (const piece of source) {
    reader.push(piece);
    await breathe();
  }
  const others = reader.finish();
  const sets = Object.fromEntries(building.map(([name, { set }]) => [name, set])) as Record<Name, ChunkSet>;
  return { sets, others };
}

/** Numbers in one piece of text. */
const PIECE_NUMBERS = 8192;

/** The runs of a set as JSON without the brackets, in pieces. */
export function* runsText(set: ReadonlyChunkSet): Generator<string> {
  const runs = set.runs();
  for (let from = 0; from < runs.length; from += PIECE_NUMBERS) {
    yield `${from === 0 ? '' : ','}${runs.slice(from, from + PIECE_NUMBERS).join(',')}`;
  }
}

/** Refuses a body that grows too long. @throws CairnError `invalid-request` */
export async function* atMostBytes(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLong: () => CairnError,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) throw tooLong();
    yield piece;
  }
}
