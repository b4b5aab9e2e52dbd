/**
 * The history of a job: a line of JSON for the beginning of each run and one for its end, appended durably, and cut to
 * the newest runs now and then. Only the process that holds the lock of the job writes it.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { replaceFileDurably, syncDirectory, syncHandle, writeFully } from '../../../base/durable-files.ts';
import { storageError } from '../../../base/errors.ts';
import { readIfThere } from '../../../base/read-if-there.ts';
import { printable } from '../../../base/safe-path.ts';
import { isSuccess, RunLine, type Run, type RunEnd, type RunStart } from './run-record.ts';

/** Runs that are kept; as many more may stand in the file before it is cut. */
const KEPT_RUNS = 500;
const LINES_A_RUN = 2;

/** The files of a job below the state home; a name of a job has no character that a file cannot have. */
export function jobPaths(stateHome: string, name: string) {
  const at = (ending: string): string => join(stateHome, 'jobs', `${name}.${ending}`);
  return { history: at('runs'), last: at('json'), lock: at('lock') };
}

/** The runs of a job, the oldest first. */
export async function readRuns(path: string): Promise<Run[]> {
  return runsOf((await readLines(path)).lines);
}

/** Adds a line durably. @throws CairnError, storage codes */
export async function appendRunLine(path: string, line: RunLine): Promise<void> {
  const { lines, isWhole } = await readLines(path);
  const all = [...lines, line];
  const isLong = all.length > 2 * KEPT_RUNS * LINES_A_RUN;
  // After a power cut the last line may be a part of one.
  if (isLong || !isWhole) await rewrite(path, isLong ? newestOf(all) : all);
  else await append(path, textOf([line]));
}

/** Where a run was killed, writes that it has ended. @throws CairnError, storage codes */
export async function endKilledRun(path: string): Promise<RunEnd | undefined> {
  const last = (await readRuns(path)).at(-1);
  if (last === undefined || last.end !== undefined) return undefined;
  const end = killedEnd(last.start);
  await appendRunLine(path, end);
  return end;
}

/** The end of a run whose process was killed. */
export function killedEnd({ run, startedAt }: RunStart): RunEnd {
  const message = 'the run was killed, or the machine went down; the next run goes on where it stopped';
  return {
    type: 'end',
    run,
    startedAt,
    endedAt: null,
    durationMs: null,
    state: 'interrupted',
    exitCode: null,
    code: 'interrupted',
    message,
    leftOut: [],
  };
}

/** Each beginning with its end. */
export function runsOf(lines: readonly RunLine[]): Run[] {
  const ends = new Map(lines.flatMap((line) => (line.type === 'end' ? [[line.run, line] as const] : [])));
  return lines.flatMap((line) => (line.type === 'start' ? [{ start: line, end: ends.get(line.run) }] : []));
}

/** The newest runs, and the last success, however old it is. */
function newestOf(lines: readonly RunLine[]): RunLine[] {
  const [runs, newest] = [runsOf(lines), runsOf(lines).slice(-KEPT_RUNS)];
  const success = runs.findLast(isSuccess);
  const kept = success === undefined || newest.some(({ start }) => start.run === success.start.run);
  return [...(kept ? [] : [success]), ...newest].flatMap(({ start, end }) =>
    end === undefined ? [start] : [start, end],
  );
}

/** The lines that can be read, and whether the file ends with a whole one. */
async function readLines(path: string): Promise<{ lines: RunLine[]; isWhole: boolean }> {
  const text = (await readIfThere(path))?.toString() ?? '';
  const lines = text.split('\n').flatMap((line) => {
    const { success, output } = v.safeParse(RunLine, parsed(line));
    return success ? [output] : [];
  });
  return { lines, isWhole: text === '' || text.endsWith('\n') };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a part of a line, which the schema refuses
  }
}

function textOf(lines: readonly RunLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function rewrite(path: string, lines: readonly RunLine[]): Promise<void> {
  return replaceFileDurably(path, textOf(lines));
}

async function append(path: string, text: string): Promise<void> {
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
    const handle = await open(path, flags, 0o600);
    try {
      const { size } = await handle.stat();
      await writeFully(handle, [Buffer.from(text)], size);
      await syncHandle(handle, path);
      if (size === 0) await syncDirectory(dirname(path));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError(error, `writing "${printable(path)}"`);
  }
}
