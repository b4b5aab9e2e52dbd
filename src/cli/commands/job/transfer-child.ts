/**
 * The transfer of a job, as a push or a pull in a process of its own: what goes wrong there, a fault of memory included, ends
 * neither the hooks of the job nor its record.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { CairnError, ExitCode } from '../../../base/errors.ts';
import type { TransferSummary } from '../../../client/api/events.ts';
import { childExitCode, GENERAL } from '../../process/child-exit.ts';
import { ownProgram } from '../../process/own-command.ts';
import { TransferNumbers, type LeftOut } from './run-record.ts';

/** A line of JSON that the process prints. */
export type JsonLine = Readonly<Record<string, unknown>>;

/** How a transfer ended. */
export interface TransferResult {
  readonly exitCode: ExitCode;
  /** `ok`, or a code of the error table. */
  readonly code: string;
  readonly message: string | undefined;
  readonly summary: TransferSummary | undefined;
  /** The first entries that were left out. */
  readonly leftOut: readonly LeftOut[];
}

/** So many names of entries are kept; the number of all is in the summary. */
const MOST_NAMES = 20;

const Warning = v.object({
  type: v.literal('warning'),
  path: v.string(),
  code: v.string(),
  message: v.string(),
});
const Failed = v.object({ type: v.literal('error'), code: v.string(), message: v.string() });
const Ended = v.object({ type: v.literal('summary'), code: v.string() });

/**
 * Runs `cairn WORDS`, which print lines of JSON.
 *
 * @param signal its reason says which signal is passed on
 */
export async function runTransferChild(
  words: readonly string[],
  { signal, onLine }: { readonly signal: AbortSignal; readonly onLine: (line: JsonLine) => void },
): Promise<TransferResult> {
  const leftOut: LeftOut[] = [];
  let last: JsonLine = {};
  const exitCode = await runOwn(words, signal, (line) => {
    last = line;
    onLine(line);
    const warning = v.safeParse(Warning, line);
    if (warning.success && leftOut.length < MOST_NAMES) {
      const { path, code, message } = warning.output;
      leftOut.push({ path, code, message });
    }
  });
  const [failed, ended] = [v.safeParse(Failed, last), v.safeParse(Ended, last)];
  const numbers = v.safeParse(TransferNumbers, numbersIn(last));
  return {
    exitCode,
    code: failed.success ? failed.output.code : ended.success ? ended.output.code : GENERAL[exitCode],
    message: failed.success ? failed.output.message : undefined,
    summary: ended.success && numbers.success ? numbers.output : undefined,
    leftOut,
  };
}

/** The numbers in a summary line, by their names in a record of a run. */
function numbersIn(line: JsonLine): JsonLine {
  const { bytesSent, bytesReceived, entriesDeleted, bytesDeleted, entriesNotDeleted, code } = line;
  const deleted =
    entriesDeleted === undefined
      ? {}
      : { deleted: { entries: entriesDeleted, bytes: bytesDeleted, undeleted: entriesNotDeleted, code } };
  return { ...line, bytesMoved: bytesSent ?? bytesReceived, ...deleted };
}

async function runOwn(
  words: readonly string[],
  signal: AbortSignal,
  onLine: (line: JsonLine) => void,
): Promise<ExitCode> {
  const [program, ...script] = ownProgram();
  // In a group of its own it gets each signal once, from here. By the channel it notices the death of this process.
  const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const;
  const child = spawn(program, [...script, ...words], { stdio: [...stdio], detached: true });
  const letGo = passOn(signal, child);
  try {
    const ended = new Promise<ExitCode>((done, fail) => {
      child.once('error', fail);
      child.once('close', (status, by) => done(childExitCode(status, by)));
    });
    const [exitCode] = await Promise.all([ended, readLines(child, onLine)]);
    return exitCode;
  } finally {
    letGo();
  }
}

async function readLines({ stdout }: ChildProcess, onLine: (line: JsonLine) => void): Promise<void> {
  for await (const line of stdout === null ? [] : createInterface({ input: stdout })) {
    const value = jsonOf(line);
    if (value !== undefined) onLine(value);
  }
}

function passOn(signal: AbortSignal, child: ChildProcess): () => void {
  const tell = (): void => {
    const { code } = signal.reason as CairnError;
    child.kill(code === 'interrupted' ? 'SIGINT' : 'SIGTERM');
  };
  // At a second signal this process ends at once, and so does that one, whose checkpoint is durable.
  const end = (): void => void child.kill('SIGKILL');
  if (signal.aborted) tell();
  signal.addEventListener('abort', tell, { once: true });
  process.once('exit', end);
  return () => {
    signal.removeEventListener('abort', tell);
    process.off('exit', end);
  };
}

function jsonOf(line: string): JsonLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as JsonLine) : undefined;
  } catch {
    return undefined; // a line that was cut by the end of the process
  }
}
