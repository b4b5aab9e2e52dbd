/** The log of `cairn serve` as a process: a full disk, a pipe that nobody reads, lines that are JSON. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../support/trees.ts';

const BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');

interface Serving {
  readonly child: ChildProcess;
  readonly url: string;
  readonly token: string;
  /** Resolves with exit code and signal. */
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
}

async function serve(stderr: number, words: readonly string[] = [], env = {}): Promise<Serving> {
  const root = temporaryDirectory();
  writeFileSync(path.join(root, 'f'), 'data');
  const args = [BIN, 'serve', '--root', root, '--listen', '127.0.0.1:0', '--json', ...words];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', stderr],
    env: { ...process.env, CAIRN_STATE_HOME: temporaryDirectory(), ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (code, signal) => resolve([code, signal]));
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (text: Buffer) => resolve(JSON.parse(text.toString()).url as string));
    void ended.then(() => reject(new Error('it did not start')));
  });
  return { child, url, ended, token: readFileSync(path.join(root, '.cairn/token'), 'utf8').trim() };
}

async function refuse({ url }: Serving, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await fetch(`${url}/nope`).then((answer) => answer.text());
}

/** Each of these is a line of about 200 bytes. */
async function lookAtTrees({ url, token }: Serving, count: number): Promise<void> {
  const request = { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{"target":"/"}' };
  for (let at = 0; at < count; at++) {
    const answer = await fetch(`${url}/.cairn/v1/tree-id`, request);
    expect(answer.status).toBe(200);
    await answer.text();
  }
}

/** A pipe with a reader that does not read by itself. */
function openPipe(): { writer: number; read: () => string; close: () => void } {
  const file = path.join(temporaryDirectory(), 'log');
  execFileSync('mkfifo', [file]);
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const bytes = Buffer.alloc(64 * 1024);
  return {
    writer: openSync(file, 'w'),
    read: () => {
      try {
        return bytes.toString('utf8', 0, readSync(reader, bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
        throw error;
      }
    },
    close: () => closeSync(reader),
  };
}

async function expectServing({ url, token, child, ended }: Serving): Promise<void> {
  const answer = await fetch(`${url}/f`, { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.text()).toBe('data');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}

test.skipIf(!existsSync('/dev/full'))('a log that goes to a full disk does not end the server', async () => {
  const full = openSync('/dev/full', 'w');
  const serving = await serve(full);
  closeSync(full);
  await refuse(serving, 20);
  await expectServing(serving);
});

test('a log without a reader does not stop the server, and its lines come when it is read again', async () => {
  const pipe = openPipe();
  const serving = await serve(pipe.writer);
  closeSync(pipe.writer);
  const count = 600;
  await lookAtTrees(serving, count);
  let text = '';
  await expect
    .poll(() => {
      text += pipe.read();
      return text.split('"tree looked at"').length - 1;
    })
    .toBe(count);
  await expectServing(serving);
  text += pipe.read();
  pipe.close();
  for (const line of text.trim().split('\n')) expect(JSON.parse(line)).toBeTypeOf('object');
});

test('a log whose reader has gone does not end the server', async () => {
  const pipe = openPipe();
  const serving = await serve(pipe.writer);
  closeSync(pipe.writer);
  pipe.close();
  await refuse(serving, 20);
  await expectServing(serving);
});

test('every line that a server writes is JSON, also warnings of Node.js and the end', async () => {
  const file = path.join(temporaryDirectory(), 'log');
  const out = openSync(file, 'a');
  const warn = path.join(temporaryDirectory(), 'warn.cjs');
  writeFileSync(
    warn,
    `setTimeout(() => { process.emitWarning('odd'); process.emitWarning('old', 'DeprecationWarning', 'DEP0'); }, 600);`,
  );
  const serving = await serve(out, [], { NODE_OPTIONS: `--require ${warn}` });
  closeSync(out);
  const lines = (): Record<string, unknown>[] =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await expect.poll(() => lines().filter(({ msg }) => msg === 'Node.js warns').length).toBe(2);
  await expectServing(serving);
  expect(lines().map(({ msg }) => msg)).toEqual(expect.arrayContaining(['serving', 'draining']));
});
