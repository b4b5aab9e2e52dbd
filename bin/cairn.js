#!/usr/bin/env node
// CommonJS, as are the bundles: Node 20 needs 12 ms to get its loader for ES modules ready.
'use strict';
const { existsSync, lstatSync, mkdirSync, realpathSync } = require('node:fs');
const path = require('node:path');

// Node would open its debugger to every user of this machine.
process.on('SIGUSR1', () => undefined);

/** Parts of the program that start sooner alone; every other command is in `main`. */
const BUNDLES = new Map([
  ['push', 'transfer'],
  ['pull', 'transfer'],
  ['--version', 'version'],
  ['-V', 'version'],
]);

/**
 * Lets Node 22 and later keep compiled code, in a directory that nobody else can write: what lies there is run. Node's
 * own choice is a name below /tmp, which anybody may have made first.
 */
function keepCompiledCode() {
  const module = require('node:module');
  if (module.enableCompileCache === undefined || process.geteuid === undefined) return;
  const xdg = process.env.XDG_CACHE_HOME;
  try {
    const home =
      xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(require('node:os').homedir(), '.cache');
    const directory = path.join(home, 'cairn', 'compiled');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if ([path.dirname(directory), directory].every(isPrivate) && !isExchangeable(path.dirname(directory)))
      module.enableCompileCache(directory);
  } catch {
    // Without a home the code is compiled at every start, as it is on Node 20.
  }
}

/** @param {string} directory */
function isPrivate(directory) {
  const stats = lstatSync(directory);
  return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o022) === 0;
}

/**
 * Whether others may write above a directory, without the sticky bit: they could put one of their own in its place.
 * @param {string} directory
 * @returns {boolean}
 */
function isExchangeable(directory) {
  const above = path.dirname(realpathSync(directory));
  const { mode, gid } = lstatSync(above);
  const isOfOwnGroup = (mode & 0o002) === 0 && [0, process.getegid?.()].includes(gid);
  if ((mode & 0o1000) === 0 && (mode & 0o022) !== 0 && !isOfOwnGroup) return true;
  return above !== path.dirname(above) && isExchangeable(above);
}

const bundle = BUNDLES.get(process.argv[2]) ?? 'main';
const file = path.join(__dirname, '..', 'dist', `${bundle}.cjs`);
if (existsSync(file)) {
  if (bundle !== 'version') keepCompiledCode();
  require(file);
} else {
  process.stderr.write('cairn: not built yet: run npm run build\n');
  process.exitCode = 1;
}
