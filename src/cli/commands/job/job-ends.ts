/** Both ends of the transfer of a job: what it reads, and where that goes. */
import type * as v from 'valibot';
import type { Job } from './job.ts';
import { LocalPath, LocalPaths, ServerUrl, STREAM_KEYS } from './job-keys.ts';
import type { TableReader } from './table-reader.ts';

/** The part of a job that this file reads. */
export type Ends = Pick<Job, 'from' | 'to' | 'words'>;

type Stream = v.InferOutput<v.ObjectSchema<typeof STREAM_KEYS, undefined>>;

/** What a job reads from: each excludes the others. */
const ORIGINS = ['source', 'command', 'from'] as const;

/** Whether a job pulls: it says what from. */
export function directionOf({ table }: TableReader): Job['direction'] {
  return 'from' in table ? 'pull' : 'push';
}

/**
 * Reads both ends; undefined where there is a mistake.
 *
 * @param source of the table `source`, where it is one, which says `command` and `as`
 */
export function readEnds(reader: TableReader, source: TableReader | undefined): Ends | undefined {
  const stream = source ?? reader;
  const isThere = {
    source: 'source' in reader.table && source === undefined,
    command: 'command' in reader.table || source !== undefined,
    from: 'from' in reader.table,
  };
  const [first, second] = ORIGINS.filter((key) => isThere[key]);
  if (first === undefined)
    reader.blame('', 'source, command or from is missing: what does this job transfer?');
  if (second !== undefined) reader.blame(second, `a job has ${first} or ${second}, and not both`);
  if (source !== undefined && 'command' in reader.table)
    reader.blame('command', 'command is given twice: here, and in source');
  if ('as' in reader.table && !isThere.command) reader.blame('as', 'as names the output of a command');
  const command = isThere.command ? stream.read(STREAM_KEYS) : undefined;
  const paths = isThere.source ? reader.value('source', LocalPaths) : undefined;
  const from = isThere.from ? reader.value('from', ServerUrl) : undefined;
  if (!('to' in reader.table)) {
    reader.blame('', 'to is missing: where does this job put what it transfers?');
    return undefined;
  }
  if (isThere.from) return pullEnds(from, reader.value('to', LocalPath));
  const url = reader.value('to', ServerUrl);
  if (command !== undefined) return streamEnds(command, url);
  if (paths === undefined || url === undefined) return undefined;
  return { from: paths, to: url.href, words: [...paths, url.href] };
}

function pullEnds(url: URL | undefined, to: string | undefined): Ends | undefined {
  if (url === undefined || to === undefined) return undefined;
  return { from: [url.href], to, words: [url.href, to] };
}

function streamEnds({ command, as }: Stream, to: URL | undefined): Ends | undefined {
  if (command === undefined || to === undefined) return undefined;
  const url = as === undefined ? to.href : inside(to, as);
  return { from: command, to: url, words: ['--from-command', url, '--', ...command] };
}

function inside({ href }: URL, name: string): string {
  return `${href.replace(/\/$/, '')}/${encodeURIComponent(name)}`;
}
