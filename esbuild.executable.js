/**
 * Builds cairn as one executable for Linux, by Node's own means (single executable applications): a copy of a Node binary
 * with the bundle and the native calls in it.
 *
 *     npm run build:executable                              of this Node, for this machine
 *     npm run build:executable -- --node PATH               of another Node binary, also of another architecture
 *         [--koffi PATH]                                    with koffi's binary for it
 *         [--output PATH]                                   default: build/cairn-linux-<architecture>
 *
 * Beside it lie the licenses of everything that is in it.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle, ROOT } from './esbuild.bundle.js';
import { bundledFolders, licensesOf } from './esbuild.contents.js';

/** What Node looks for in its own binary; the character behind it says whether there is something in it. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const BLOB = 'NODE_SEA_BLOB';
const KOFFI = 'koffi.node';
/** `e_machine` of an ELF header, and what Node calls it. */
const MACHINES = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);

/**
 * In place of the package koffi, whose binary is no file here: it is written to a directory of its own for as long as it
 * takes to load it. Where that is not possible the import fails, as it does where koffi is not installed.
 */
const EMBEDDED_KOFFI = `
  const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
  const { tmpdir } = require('node:os');
  const { join } = require('node:path');
  const { getRawAsset } = require('node:sea');
  const bytes = new Uint8Array(getRawAsset(${JSON.stringify(KOFFI)}));
  const directory = mkdtempSync(join(tmpdir(), 'cairn-'));
  try {
    const file = join(directory, ${JSON.stringify(KOFFI)});
    writeFileSync(file, bytes, { mode: 0o700, flag: 'wx' });
    const loaded = { exports: {} };
    process.dlopen(loaded, file);
    module.exports = loaded.exports;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
`;

/** @type {import('esbuild').Plugin} */
const embeddedKoffi = {
  name: 'embedded-koffi',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^koffi$/ }, () => ({ path: 'koffi', namespace: 'embedded' }));
    onLoad({ filter: /./, namespace: 'embedded' }, () => ({ contents: EMBEDDED_KOFFI }));
  },
};

/** A reason to stop that the caller can do something about. @param {string} why @returns {never} */
function refuse(why) {
  process.stderr.write(`build:executable: ${why}\n`);
  process.exit(2);
}

/**
 * Looks whether a file is a Node binary that can take a program.
 *
 * @param {string} file
 * @returns {{ arch: string, version: string, isMusl: boolean }}
 */
function inspectNode(file) {
  if (!existsSync(file)) refuse(`there is no Node binary at ${file}`);
  const bytes = readFileSync(file);
  const isElf64 = bytes.subarray(0, 6).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]));
  if (!isElf64) refuse(`${file} is not a 64-bit program for Linux`);
  const arch = MACHINES.get(bytes.readUInt16LE(18));
  if (arch === undefined) refuse(`${file} is neither for x64 nor for arm64`);
  const at = bytes.indexOf(`${FUSE}:`);
  if (at === -1) {
    refuse(
      `${file} takes no program: it is not Node, or one that has its code in a shared library (take that of nodejs.org)`,
    );
  }
  if (bytes[at + FUSE.length + 1] !== '0'.charCodeAt(0)) refuse(`${file} has a program in it already`);
  // Part of the address of its own headers, which it knows.
  const version = /\/node-(v\d+\.\d+\.\d+)-headers\.tar\.gz/.exec(bytes.toString('latin1'))?.[1];
  if (version === undefined) refuse(`${file} does not tell its version`);
  return { arch, version, isMusl: bytes.includes('/ld-musl-') };
}

/**
 * koffi's binary for a machine; undefined where it is not installed.
 *
 * @param {string} arch @param {boolean} isMusl
 * @returns {string | undefined}
 */
function findKoffi(arch, isMusl) {
  const name = `@koromix/koffi-linux-${arch}`;
  try {
    const folder = path.dirname(createRequire(import.meta.url).resolve(name));
    const file = path.join(folder, `${isMusl ? 'musl' : 'linux'}_${arch}`, KOFFI);
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Writes the executable.
 *
 * @param {{ node: string, script: string, koffi: string | undefined, output: string, workspace: string, isOwn: boolean }} parts
 *   `isOwn`: whether `node` is the very Node that runs this
 */
function inject({ node, script, koffi, output, workspace, isOwn }) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const buildsItself = major > 25 || (major === 25 && minor >= 5);
  const blob = path.join(workspace, 'cairn.blob');
  const config = {
    main: script,
    output: buildsItself ? output : blob,
    ...(buildsItself ? { executable: node } : {}),
    disableExperimentalSEAWarning: true,
    // Compiled code fits only to the binary that compiled it.
    useCodeCache: isOwn,
    ...(koffi === undefined ? {} : { assets: { [KOFFI]: koffi } }),
  };
  const configFile = path.join(workspace, 'sea.json');
  writeFileSync(configFile, JSON.stringify(config));
  rmSync(output, { force: true });
  const option = buildsItself ? '--build-sea' : '--experimental-sea-config';
  // Both tools tell of their work, and warn of names of sections that nobody needs; a failure has what they said.
  execFileSync(process.execPath, [option, configFile], { stdio: 'pipe' });
  if (!buildsItself) {
    copyFileSync(node, output);
    chmodSync(output, 0o755);
    const postject = fileURLToPath(import.meta.resolve('postject/dist/cli.js'));
    const words = [postject, output, BLOB, blob, '--sentinel-fuse', FUSE];
    execFileSync(process.execPath, words, { stdio: 'pipe' });
  }
  chmodSync(output, 0o755);
}

/** The license of Node, where it lies beside the binary as nodejs.org packs it. @param {string} node @param {string} version */
function nodeLicense(node, version) {
  const file = path.join(path.dirname(node), '..', 'LICENSE');
  const heading = `This executable contains Node.js ${version}.`;
  const where = `Its license: https://github.com/nodejs/node/blob/${version}/LICENSE`;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return `${heading}\n\n${text.includes('Node.js is licensed') ? text.trim() : where}\n`;
}

async function run() {
  const { values } = parseArgs({
    options: { node: { type: 'string' }, koffi: { type: 'string' }, output: { type: 'string' } },
  });
  const node = path.resolve(values.node ?? process.execPath);
  const { arch, version, isMusl } = inspectNode(node);
  if (version !== process.version) {
    refuse(
      `${node} is Node ${version}; what goes in has to be made by the same version, and this is ${process.version}`,
    );
  }
  const koffi = values.koffi === undefined ? findKoffi(arch, isMusl) : path.resolve(values.koffi);
  if (koffi !== undefined && !existsSync(koffi)) refuse(`there is no ${koffi}`);
  const output = path.resolve(values.output ?? path.join(ROOT, 'build', `cairn-linux-${arch}`));
  const workspace = mkdtempSync(path.join(tmpdir(), 'cairn-executable-'));
  try {
    const metafile = await bundle('executable', 'src/cli/executable.ts', {
      outdir: workspace,
      plugins: koffi === undefined ? [] : [embeddedKoffi],
      define: { __CAIRN_EXECUTABLE__: 'true' },
    });
    mkdirSync(path.dirname(output), { recursive: true });
    const script = path.join(workspace, 'executable.cjs');
    inject({ node, script, koffi, output, workspace, isOwn: node === process.execPath });
    const folders = [...bundledFolders([metafile]), ...(koffi === undefined ? [] : ['node_modules/koffi'])];
    writeFileSync(
      `${output}.licenses.txt`,
      `${licensesOf(folders.toSorted())}\n${nodeLicense(node, version)}`,
    );
  } finally {
    rmSync(workspace, { recursive: true });
  }
  process.stdout.write(`${output}: Node ${version} for linux-${arch}\n`);
  if (koffi === undefined) {
    const name = `@koromix/koffi-linux-${arch}`;
    process.stdout.write(`without native calls: ${name} is not installed; --koffi PATH names its ${KOFFI}\n`);
  }
}

await run();
