/**
 * Keeps what V8 compiled of a bundle, since compiling takes half of a short run. Node 22 has a cache of its own, Node 20
 * has none; and this one holds for each command the functions that it ran.
 *
 * What lies in the cache is run. So it is kept where only its user can write, and is taken only where its length and
 * checksums are right; V8 itself compares its version and its flags.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';
import { compiledHome } from './compiled-home.ts';
import { keepFile, openKept, privateHome } from './compiled-files.ts';

/** What precedes the compiled code: four numbers of 32 bits, so that V8 finds the code at an address it can use. */
const HEADER_BYTES = 16;
const MAGIC = 0xca1_4c0d;
/** The words that name a command, and so a file; any other one has none of its own. */
const COMMAND = /^[a-z]{2,16}$/;

/** The parts of Node's own `Module` that its types do not have. */
interface Wrapping {
  wrap(source: string): string;
}

/** What a script with the wrapper of a module gives. */
type Wrapped = (
  this: unknown,
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  file: string,
  folder: string,
) => void;

/** Runs the bundle at `file`, as `require` does. `command` is the first word of the command line. */
export function loadCompiled(file: string, command: string): void {
  const bytes = readFileSync(file);
  const home = compiledHome(process.env);
  const place = home === undefined || !COMMAND.test(command) ? undefined : privateHome(home);
  const name = `${command}-${process.version}-${process.arch}`;
  const sourceSum = crc32(bytes);
  const cachedData = place === undefined ? undefined : readKept(place, name, sourceSum);
  // esbuild writes nothing but ASCII.
  const script = new Script((Module as unknown as Wrapping).wrap(bytes.toString('latin1')), {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const isCompiled = cachedData !== undefined && script.cachedDataRejected !== true;
  if (place !== undefined && !isCompiled)
    process.once('exit', (exitCode) => {
      // A run that failed has compiled little of what the next one needs.
      if (exitCode === 0) keepFile(place, name, withHeader(script.createCachedData(), sourceSum));
    });
  const loaded = new Module(file);
  loaded.filename = file;
  const run = script.runInThisContext() as Wrapped;
  run.call(loaded.exports, loaded.exports, createRequire(file), loaded, file, dirname(file));
}

/** The compiled code for the source with this checksum; undefined where it is not there, or not whole. */
function readKept(place: string, name: string, sourceSum: number): Buffer | undefined {
  const bytes = openKept(place, name);
  if (bytes === undefined || bytes.length < HEADER_BYTES) return undefined;
  const code = bytes.subarray(HEADER_BYTES);
  const found = [0, 4, 8, 12].map((offset) => bytes.readUInt32LE(offset));
  const wanted = headerOf(code, sourceSum);
  return found.every((number, index) => number === wanted[index]) ? code : undefined;
}

function headerOf(code: Uint8Array, sourceSum: number): number[] {
  return [MAGIC, sourceSum, code.length, crc32(code)];
}

function withHeader(code: Uint8Array, sourceSum: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + code.length);
  headerOf(code, sourceSum).forEach((number, index) => bytes.writeUInt32LE(number, index * 4));
  bytes.set(code, HEADER_BYTES);
  return bytes;
}
