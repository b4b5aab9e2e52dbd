/** How far V8 compiles the WebAssembly of a client: what hashes, and the HTTP parser of undici. */
import { setFlagsFromString } from 'node:v8';
import { loadHasher } from '../manifest/digest.ts';

/** Major versions of V8 that have the flag, from that of Node 20 to that of Node 26. Another one may complain of it. */
const KNOWN_V8 = { first: 11, last: 14 };
/** In V8's measure of work done, which finds the functions that are worth to be optimised: more than any will do. */
const NEVER = 2_000_000_000;

/**
 * Loads what hashes, which is optimised as ever; WebAssembly that is loaded after it stays as the quick compiler makes it.
 * The parser is one giant function, found hot with the second answer: optimising it takes a fifth of a second of a
 * processor in every run, and no process ends before that is through.
 */
export async function prepareWebAssembly(): Promise<void> {
  await loadHasher('xxh64');
  const v8 = Number.parseInt(process.versions.v8, 10);
  if (v8 < KNOWN_V8.first || v8 > KNOWN_V8.last) return;
  setFlagsFromString(`--wasm-tiering-budget=${NEVER}`);
}
