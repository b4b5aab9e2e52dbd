/** A tus server on a disk that can lose its power, and its client, as their users run them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { startCuttingProxy, type CuttingProxy, type ProxyTap } from '../../../support/cutting-proxy.ts';
import type { PowerDisk } from './power-disk.ts';
import { cutPower } from './power-cut.ts';
import { freePort } from '../../../support/free-port.ts';

/** Where `.ci/get-tus` puts its packages. */
const MODULES = path.resolve(import.meta.dirname, '../../../../.nodes/tus/node_modules');

/** Versions for names of tests; undefined where tus is not installed. */
export const tusVersions: { readonly server: string; readonly client: string } | undefined = existsSync(
  path.join(MODULES, '@tus/file-store'),
)
  ? { server: versionOf('@tus/server'), client: versionOf('tus-js-client') }
  : undefined;

function versionOf(name: string): string {
  const text = readFileSync(path.join(MODULES, name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** An upload under way. */
export interface TusScene {
  /** Bytes that the server has acknowledged: the offset of its last answer. */
  readonly acknowledgedBytes: () => number;
  /** Resolves once so many bytes are acknowledged, or the upload is over. */
  untilAcknowledged(bytes: number): Promise<void>;
  /** Resolves when the client says that its upload has succeeded. @throws Error when it fails */
  readonly succeeded: Promise<void>;
  /** Cuts the power; answers what is left of the upload once the server is back. */
  cut(): Promise<TusLeft>;
  end(): Promise<void>;
}

/** What is left of an upload after a cut. */
export interface TusLeft {
  /** What the server answers to a client that asks where to go on. */
  readonly status: number;
  /** The offset in that answer; 0 where there is none. */
  readonly offset: number;
  /** The stored bytes. */
  readonly stored: Buffer;
}

/** Starts a server and an upload of `file` in requests of `chunkBytes`. */
export async function startTus(
  disk: PowerDisk,
  file: string,
  options: { chunkBytes: number; bytesPerSecond: number },
): Promise<TusScene> {
  const directory = path.join(disk.path, 'files');
  mkdirSync(directory);
  disk.sync();
  const port = await freePort();
  const words = [MODULES, directory, String(port)];
  let server = await startScript('tus-server.js', words, 'listening');
  const wire = createTap();
  const proxy: CuttingProxy = await startCuttingProxy({
    targetPort: port,
    bytesPerSecond: options.bytesPerSecond,
    tap: wire.tap,
  });
  onTestFinished(() => proxy.close());
  const endpoint = `http://127.0.0.1:${proxy.port}/files/`;
  const client = script('tus-client.js', [MODULES, file, endpoint, String(options.chunkBytes)]);
  const succeeded = untilSaid(client, 'success');
  succeeded.catch(() => wire.stop());
  return {
    acknowledgedBytes: () => wire.offset,
    untilAcknowledged: (bytes) => wire.until(bytes),
    succeeded,
    cut: async () => {
      const kill = (): Promise<void> => killed(server);
      await cutPower({ disks: [disk], victims: [{ pid: () => server.pid, kill }] });
      await killed(client);
      server = await startScript('tus-server.js', words, 'listening');
      const { id } = wire;
      if (id === undefined) throw new Error('no upload was created');
      const answer = await fetch(`http://127.0.0.1:${port}/files/${id}`, {
        method: 'HEAD',
        headers: { 'tus-resumable': '1.0.0' },
      });
      const stored = path.join(directory, id);
      return {
        status: answer.status,
        offset: Number(answer.headers.get('upload-offset') ?? 0),
        stored: existsSync(stored) ? readFileSync(stored) : Buffer.alloc(0),
      };
    },
    end: async () => {
      await killed(server);
      await killed(client);
      await proxy.close();
      await disk.remove();
    },
  };
}

interface TusTap {
  readonly tap: ProxyTap;
  readonly offset: number;
  readonly id: string | undefined;
  until(bytes: number): Promise<void>;
  /** Nothing more will come: nobody has to wait. */
  stop(): void;
}

function createTap(): TusTap {
  let offset = 0;
  let id: string | undefined;
  let waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];
  const wake = (): void => {
    for (const { bytes, resolve } of waiting) if (bytes <= offset) resolve();
    waiting = waiting.filter(({ bytes }) => bytes > offset);
  };
  return {
    get offset() {
      return offset;
    },
    get id() {
      return id;
    },
    until: (bytes) => {
      const reached = new Promise<void>((resolve) => waiting.push({ bytes, resolve }));
      wake();
      return reached;
    },
    stop: () => {
      for (const { resolve } of waiting.splice(0)) resolve();
    },
    tap: (_, way, bytes) => {
      if (way !== 'down') return;
      const head = bytes.toString('latin1');
      id ??= /^HTTP\/1\.1 201 .*?\r\nlocation: \S*\/files\/([^\s/]+)\r\n/is.exec(head)?.[1];
      const answered = /^HTTP\/1\.1 204 .*?\r\nupload-offset: (\d+)\r\n/is.exec(head)?.[1];
      if (answered !== undefined) offset = Math.max(offset, Number(answered));
      wake();
    },
  };
}

function script(name: string, words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, name), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function startScript(name: string, words: readonly string[], says: string): Promise<ChildProcess> {
  const child = script(name, words);
  await untilSaid(child, says);
  return child;
}

function untilSaid(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let [output, errors] = ['', ''];
    child.stderr!.on('data', (bytes: Buffer) => (errors += bytes.toString()));
    child.stdout!.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes(word)) resolve();
    });
    child.once('close', (code, signal) => reject(new Error(`ended with ${code ?? signal}: ${errors}`)));
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}
