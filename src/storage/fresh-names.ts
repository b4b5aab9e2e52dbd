/** Names for a file whose name is taken, as browsers and drop boxes make them. Pure but for random numbers. */
import { randomBytes } from 'node:crypto';

/** The last number tried in order, as in `report (2).pdf`; after that a random number finds a free name sooner. */
const MAX_NUMBER = 99;
const MAX_NAME_BYTES = 255;
const MAX_SUFFIX_CHARACTERS = 17;

/** The name itself, and then similar ones, without end. */
export function* freshNames(name: string): Generator<string> {
  yield name;
  for (let number = 2; number <= MAX_NUMBER; number += 1) yield withMark(name, String(number));
  for (;;) yield withMark(name, randomBytes(6).toString('hex'));
}

function withMark(name: string, mark: string): string {
  const suffix = suffixOf(name);
  const stem = name.slice(0, name.length - suffix.length);
  const tail = ` (${mark})${suffix}`;
  return `${cut(stem, MAX_NAME_BYTES - Buffer.byteLength(tail))}${tail}`;
}

/** The suffix of a name: the last dot and the text behind it; two of them for compressed archives. */
function suffixOf(name: string): string {
  const dot = name.lastIndexOf('.');
  const suffix = name.slice(dot);
  if (dot <= 0 || suffix === '.' || suffix.length > MAX_SUFFIX_CHARACTERS || suffix.includes(' ')) return '';
  return name.slice(0, dot).endsWith('.tar') && dot > '.tar'.length
    ? name.slice(dot - '.tar'.length)
    : suffix;
}

/** The start of a text: at most `maxBytes`, in whole characters. */
function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept;
}
