/**
 * Loaded into cairn before it starts: every other write of more than a byte really takes only a part of what it is given,
 * as the system may do at any time. Each is counted by a byte in the file that CAIRN_SHORT_WRITES names.
 */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const log = process.env['CAIRN_SHORT_WRITES'] ?? '/dev/null';
const { writeSync, appendFileSync } = fs;
let writes = 0;

/**
 * How many bytes of so many are taken.
 * @param {number} lengthBytes
 */
function taken(lengthBytes) {
  writes += 1;
  if (lengthBytes < 2 || writes % 2 === 0) return lengthBytes;
  appendFileSync(log, '.');
  return 1 + ((writes * 7919) % (lengthBytes - 1));
}

const probe = await open(import.meta.filename);
const prototype = Object.getPrototypeOf(probe);
await probe.close();
const { writev } = prototype;
/**
 * @param {Uint8Array[]} buffers
 * @param {number} position
 */
prototype.writev = function (buffers, position) {
  const all = Buffer.concat(buffers);
  return writev.call(this, [all.subarray(0, taken(all.length))], position);
};
Object.assign(fs, {
  /**
   * @param {number} fd
   * @param {Uint8Array} bytes
   * @param {number} offset
   * @param {number} length
   * @param {number | null | undefined} position
   */
  writeSync: (fd, bytes, offset, length, position) => {
    // What has no place goes to a terminal or a pipe.
    const isFile = position !== undefined && position !== null;
    return writeSync(fd, bytes, offset, isFile ? taken(length) : length, position);
  },
});
syncBuiltinESMExports();
