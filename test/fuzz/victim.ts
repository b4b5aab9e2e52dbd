/** A server to attack, as a process of its own, and what is measured of it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generate } from 'selfsigned';

const BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');
/** Short, so that what an attack leaves is over soon. */
const LIMITS = ['headers-time=2s', 'keep-alive=3s', 'body-idle=2s', 'connections-per-address=200'];

/** What a server holds, after its garbage was collected. */
export interface Holding {
  readonly rssBytes: number;
  /** Of the heap and beside it, in use. */
  readonly liveBytes: number;
  readonly descriptors: number;
}

/** A server that can be attacked. */
export interface Victim {
  readonly port: number;
  readonly isTls: boolean;
  /** The token that may do everything. */
  readonly token: string;
  readonly isAlive: () => boolean;
  /** Lines of its log that tell of a bug. */
  readonly bugs: () => string[];
  measure(): Promise<Holding>;
  descriptors(): number;
  stop(): Promise<void>;
}

/** Starts `cairn serve` over a directory of its own. */
export async function startVictim(isTls: boolean): Promise<Victim> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cairn-fuzz-'));
  const root = path.join(folder, 'root');
  mkdirSync(root);
  const words = ['serve', '--root', root, '--listen', '127.0.0.1:0', '--json', '--log-level', 'error'];
  for (const limit of LIMITS) words.push('--limit', limit);
  if (isTls) words.push(...(await certificateWords(folder)));
  const measuring = ['--expose-gc', '-r', path.join(import.meta.dirname, 'measure.cjs')];
  const child = spawn(process.execPath, [...measuring, BIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, CAIRN_STATE_HOME: path.join(folder, 'home'), CAIRN_TOKEN: '' },
  });
  let log = '';
  child.stderr!.on('data', (piece: Buffer) => (log += piece.toString()));
  const listening = await firstLine(child, () => log);
  const { url, tokenFile } = JSON.parse(listening) as { url: string; tokenFile: string };
  const descriptors = (): number => readdirSync(`/proc/${child.pid}/fd`).length;
  return {
    port: Number(new URL(url).port),
    isTls,
    token: readFileSync(tokenFile, 'utf8').trim(),
    isAlive: () => child.exitCode === null && child.signalCode === null,
    bugs: () =>
      log.split('\n').filter((line) => /bug in cairn|"code":"internal"|TypeError|RangeError/.test(line)),
    measure: async () => ({ ...(await ask(child)), descriptors: descriptors() }),
    descriptors,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function certificateWords(folder: string): Promise<string[]> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec' });
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  writeFileSync(cert, made.cert);
  writeFileSync(key, made.private, { mode: 0o600 });
  return ['--tls-cert', cert, '--tls-key', key];
}

function firstLine(child: ChildProcess, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.once('exit', () => reject(new Error(`the server did not start: ${log()}`)));
  });
}

function ask(child: ChildProcess): Promise<Omit<Holding, 'descriptors'>> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Omit<Holding, 'descriptors'>));
    child.send('measure', (error) => error !== null && reject(error));
  });
}

/** Waits until the server has no more descriptors than `atMost`, or the time is over. */
export async function untilCalm(victim: Victim, atMost: number, maxMs: number): Promise<void> {
  const endMs = performance.now() + maxMs;
  // oxlint-disable-next-line no-await-in-loop -- looked at again and again
  while (victim.isAlive() && victim.descriptors() > atMost && performance.now() < endMs) await delay(200);
}
