/** One function for each route by which files are compared. They try once. */
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { encodeBlocks } from '../../manifest/cut-codec.ts';
import type { Cuts } from '../../manifest/kept-cuts-format.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { encodeParts, type Parts } from '../../manifest/parts-document.ts';
import { type BlockLine, encodeBlockLines } from '../../wire/block-lines.ts';
import {
  encodeFrames,
  lastFrame,
  MAX_TOLD_BYTES,
  readFrames,
  type RecordsListener,
} from '../../wire/cut-frames.ts';
import { Empty } from '../../wire/messages.ts';
import { readParts } from '../../wire/read-parts.ts';
import { ROUTE } from '../../wire/routes.ts';
import type { RequestBody } from '../http/http-message.ts';
import { call, callJson } from '../http/server-calls.ts';
import { withTerms, type SessionAccess } from './session-calls.ts';

/** Most bytes of the records of one answer: those of the blocks of 64 GiB, and of 2^20 grains, with room to spare. */
const MAX_RECORDS_BYTES = 96 * 1024 * 1024;

/**
 * Fetches the records of the blocks of files at the server, by entry; of a pull with the checks of each behind them.
 * `onRecords` is told of them as they arrive.
 */
export async function getBlocks(
  at: SessionAccess,
  entries: ChunkSet,
  onRecords?: RecordsListener,
): Promise<Map<number, Buffer>> {
  const path = ROUTE.blocks(at.terms.session);
  const json = { entries: entries.runs() };
  const response = await call(at.server, { method: 'POST', path, json, isSlow: true, ...withTerms(at) });
  return readFrames(response.body, (entry) => entries.has(entry), MAX_RECORDS_BYTES, onRecords);
}

/** Fetches the records of the grains of some blocks, by entry. */
export async function getGrains(
  at: SessionAccess,
  wanted: readonly BlockLine[],
): Promise<Map<number, Buffer>> {
  if (wanted.length === 0) return new Map();
  const path = ROUTE.grains(at.terms.session);
  const body = ndjson(wanted.flatMap((one) => [...encodeBlockLines(one)]));
  const response = await call(at.server, { method: 'POST', path, body, isSlow: true, ...withTerms(at) });
  const entries = new Set(wanted.map(({ entry }) => entry));
  return readFrames(response.body, (entry) => entries.has(entry), MAX_RECORDS_BYTES);
}

/** Sends the blocks of new files, by entry, which the server keeps; as many as it takes. */
export async function putBlocks(at: SessionAccess, cuts: ReadonlyMap<number, Cuts>): Promise<void> {
  const pieces: Buffer[] = [];
  let lengthBytes = 0;
  const add = (frames: Iterable<Buffer>): void => {
    for (const frame of frames) {
      pieces.push(frame);
      lengthBytes += frame.byteLength;
    }
  };
  for (const [entry, { recipe }] of cuts) {
    const records = encodeBlocks(recipe);
    if (lengthBytes + 2 * records.byteLength <= MAX_TOLD_BYTES) add(encodeFrames(entry, records));
  }
  add([lastFrame()]);
  const path = ROUTE.blocks(at.terms.session);
  const body = { type: 'application/octet-stream', lengthBytes, pieces };
  await callJson(at.server, Empty, 'the answer to the blocks', {
    method: 'PUT',
    path,
    body,
    ...withTerms(at),
  });
}

/** Sends the parts of a plan to come. */
export async function putParts(at: SessionAccess, parts: Parts): Promise<void> {
  const path = ROUTE.parts(at.terms.session);
  const body = ndjson([...encodeParts(parts)]);
  await callJson(at.server, Empty, 'the answer to the parts', {
    method: 'PUT',
    path,
    body,
    ...withTerms(at),
  });
}

/** Fetches the parts of the agreed plan. */
export async function getParts(at: SessionAccess, manifest: Manifest): Promise<Parts> {
  const path = ROUTE.parts(at.terms.session);
  const response = await call(at.server, { method: 'GET', path, ...withTerms(at) });
  return readParts(response.body, manifest);
}

function ndjson(lines: readonly string[]): RequestBody {
  const bytes = Buffer.from(lines.join(''));
  return { type: 'application/x-ndjson', lengthBytes: bytes.byteLength, pieces: [bytes] };
}
