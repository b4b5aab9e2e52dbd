/**
 * A push and a pull that version 0.1.0 left half-done on both sides, as `fixtures/half-done` keeps them, are finished by
 * this version. The tests make the bytes of the files anew; times are moved so that no lease is over.
 */
import { createCipheriv } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { transferKey } from '../../src/client/state/transfer-record.ts';
import { cairn } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../../fixtures/half-done');
/** Where the fixtures were made. */
const MADE_IN = '/tmp/fx';
const MADE_AT = '127.0.0.1:18765';
const MADE_AT_MS = 1_796_066_000_000;
/** How much of the large file was staged on each side. */
const STAGED_BYTES = { root: 96_256, dest: 100_588 };
const OLD_TIME_S = 1_700_000_000;

const bytesOf = (seed: number, sizeBytes: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));

function writeOld(file: string, bytes: Buffer): void {
  writeFileSync(file, bytes);
  chmodSync(file, 0o644);
  setOldTime(file);
}

const setOldTime = (file: string): void => lutimesSync(file, OLD_TIME_S, OLD_TIME_S);

function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o755);
}

/** The trees that were carried: one of the client, and one of the server. */
function writeTrees(at: string): void {
  makeDirectory(`${at}/src/sub`);
  writeOld(`${at}/src/large`, bytesOf(1, 150_000));
  writeOld(`${at}/src/sub/small`, bytesOf(2, 3000));
  symlinkSync('large', `${at}/src/link`);
  makeDirectory(`${at}/root/there`);
  writeOld(`${at}/root/there/large`, bytesOf(3, 150_000));
  writeOld(`${at}/root/there/small`, bytesOf(4, 3000));
  for (const name of ['src/link', 'src/sub', 'src', 'root/there']) setOldTime(`${at}/${name}`);
}

/** Puts a fixture's files at their places, with places, address and times of today in them. */
function placeState(at: string, address: string): void {
  cpSync(FIXTURES, at, { recursive: true });
  for (const side of ['root', 'dest'] as const) renameSync(`${at}/${side}/cairn`, `${at}/${side}/.cairn`);
  const laterMs = Date.now() - MADE_AT_MS;
  for (const entry of readdirSync(at, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(at, entry);
    const isPrivate = !['root', 'dest'].includes(entry);
    if (statSync(file).isDirectory()) chmodSync(file, isPrivate ? 0o700 : 0o755);
    else chmodSync(file, 0o600);
    if (!file.endsWith('.json')) continue;
    const text = readFileSync(file, 'utf8')
      .replaceAll(MADE_IN, at)
      .replaceAll(MADE_AT, address)
      .replaceAll(/(?<=AtMs":)\d+/g, (ms) => String(Number(ms) + laterMs));
    writeFileSync(file, text);
  }
  writeStaged(`${at}/root/.cairn/staging`, bytesOf(1, STAGED_BYTES.root));
  writeStaged(`${at}/dest/.cairn/staging`, bytesOf(3, STAGED_BYTES.dest));
}

/** The bytes beside the one journal in a staging folder. */
function writeStaged(staging: string, bytes: Buffer): void {
  const [area] = readdirSync(staging).filter((id) => readdirSync(`${staging}/${id}`).includes('journal'));
  writeFileSync(`${staging}/${area}/e1`, bytes, { mode: 0o600 });
}

/** Transfers are found by what they carry from where to where, which is elsewhere today. */
function renameTransfers(transfers: string): void {
  for (const key of readdirSync(transfers)) {
    const text = readFileSync(`${transfers}/${key}/transfer.json`, 'utf8');
    const record = JSON.parse(text) as { direction: 'push' | 'pull'; url: string; local: string[] };
    renameSync(`${transfers}/${key}`, `${transfers}/${transferKey({ ...record, url: new URL(record.url) })}`);
  }
}

test('a push and a pull that version 0.1.0 left half-done are finished, and send only what was missing', async () => {
  const at = temporaryDirectory();
  const server = await startDiskServer({
    root: `${at}/root`,
    extraArgs: ['--state', `${at}/server`],
    tokenFile: `${at}/server/token`,
    isStartedLater: true,
  });
  placeState(at, `127.0.0.1:${server.port}`);
  writeTrees(at);
  renameTransfers(`${at}/state/transfers`);
  await server.start();
  const environment = { stateHome: `${at}/state`, token: server.token };
  const args = ['--json', '--chunk-size', '64K', '--parallel', '1', '--compress', 'never'];

  const pushed = await cairn(['push', ...args, `${at}/src`, `${server.url}/tree`], environment);
  expect(pushed, pushed.stderr).toMatchObject({
    exitCode: 0,
    last: { bytesTotal: 153_000, bytesResumed: STAGED_BYTES.root, resumes: 1 },
  });
  const pulled = await cairn(['pull', ...args, `${server.url}/there`, `${at}/dest`], environment);
  expect(pulled, pulled.stderr).toMatchObject({
    exitCode: 0,
    last: { bytesTotal: 153_000, bytesReceived: 153_000 - Number(pulled.last['bytesResumed']), resumes: 1 },
  });
  expect(pulled.last['bytesResumed']).toBeGreaterThanOrEqual(65_536);
  expect(pictureOf(`${at}/root/tree`)).toEqual(pictureOf(`${at}/src`));
  expect(pictureOf(`${at}/dest`)).toEqual(pictureOf(`${at}/root/there`));
  expect(readdirSync(`${at}/state/transfers`)).toEqual([]);
});
