/** From the text of a job file to jobs, and to all mistakes in it with their places. */
import { CairnError } from '../../../base/errors.ts';
import { directionOf, readEnds } from './job-ends.ts';
import type { Job } from './job.ts';
import {
  atHome,
  END_KEYS,
  isJobName,
  JOB_KEYS,
  NAME_RULE,
  PING_KEYS,
  REFUSED_KEYS,
  STREAM_KEYS,
} from './job-keys.ts';
import { parsePlacedToml, type Mistake, type Place, type PlacedToml, type TomlTable } from './placed-toml.ts';
import { isTable, tableReader, type TableReader } from './table-reader.ts';
import type { TransferKey } from './transfer-keys.ts';

/** The options that may stand in a job, by the direction of its transfer. */
export type KeysOf = (direction: Job['direction']) => ReadonlyMap<string, TransferKey>;

/** A mistake, and the job in whose table it is; undefined where it is not in one. */
export interface JobMistake extends Mistake {
  readonly job: string | undefined;
}

/** What a text says. */
export interface ReadJobs {
  /** All names, also of jobs with mistakes, in the order of the text. */
  readonly names: readonly string[];
  /** The jobs without a mistake. */
  readonly jobs: readonly Job[];
  /** In the order of the text. */
  readonly mistakes: readonly JobMistake[];
}

/** The table of a job, and what reads it and the tables in it. */
interface JobTable {
  readonly name: string;
  readonly reader: TableReader;
  /** The reader of a table in it; undefined where the key is no table. */
  inner(key: string): TableReader | undefined;
}

/** Reads the text of a job file. */
export async function readJobs(text: string, keysOf: KeysOf): Promise<ReadJobs> {
  const toml = parsePlacedToml(text);
  if (!('root' in toml)) return { names: [], jobs: [], mistakes: [{ ...toml, job: undefined }] };
  const mistakes: JobMistake[] = [];
  const jobs: Job[] = [];
  const tables = jobTables(toml, (mistake, job) => mistakes.push({ ...mistake, job }));
  for (const table of tables) {
    const before = mistakes.length;
    // oxlint-disable-next-line no-await-in-loop -- reading an option may load a module, once
    const job = await readJob(table, keysOf(directionOf(table.reader)));
    if (job !== undefined && mistakes.length === before) jobs.push(job);
  }
  return { names: tables.map(({ name }) => name), jobs, mistakes: mistakes.toSorted(comparePlaces) };
}

function comparePlaces(a: Place, b: Place): number {
  return a.line - b.line || a.column - b.column;
}

function jobTables(toml: PlacedToml, add: (mistake: Mistake, job?: string) => void): JobTable[] {
  const top = tableReader(toml, { path: [], table: toml.root, what: 'the file' }, (mistake) => add(mistake));
  top.refuseUnknown(['job']);
  const { job } = toml.root;
  if (job === undefined) return [];
  if (!isTable(job)) {
    top.blame('job', 'job takes tables: [job.NAME]');
    return [];
  }
  const placeOf = (name: string): Place => toml.placeOfKey(['job', name]);
  // JavaScript has keys that are numbers in an order of their own.
  const names = Object.keys(job).toSorted((a, b) => comparePlaces(placeOf(a), placeOf(b)));
  return names.flatMap((name) => {
    const table = job[name];
    const blame = (message: string): void => add({ ...placeOf(name), message });
    if (!isJobName(name)) blame(`"${name}" is no name of a job: ${NAME_RULE}`);
    else if (!isTable(table)) blame(`job.${name} has to be a table: [job.${name}]`);
    else return [jobTable(toml, name, table, (mistake) => add(mistake, name))];
    return [];
  });
}

function jobTable(
  toml: PlacedToml,
  name: string,
  table: TomlTable,
  add: (mistake: Mistake) => void,
): JobTable {
  const path = ['job', name];
  const inner = (key: string): TableReader | undefined => {
    const value = table[key];
    return isTable(value)
      ? tableReader(toml, { path: [...path, key], table: value, what: key }, add)
      : undefined;
  };
  return { name, reader: tableReader(toml, { path, table, what: 'a job' }, add), inner };
}

async function readJob(
  { name, reader, inner }: JobTable,
  keys: ReadonlyMap<string, TransferKey>,
): Promise<Job | undefined> {
  reader.refuseUnknown([...END_KEYS, ...Object.keys(JOB_KEYS), 'ping', ...keys.keys()], REFUSED_KEYS);
  const values = reader.read(JOB_KEYS);
  const source = inner('source');
  source?.refuseUnknown(Object.keys(STREAM_KEYS));
  const ends = readEnds(reader, source);
  const ping = readPing(reader, inner('ping'));
  const options = await readOptions(reader, keys);
  if (values === undefined || ends === undefined) return undefined;
  return {
    name,
    direction: directionOf(reader),
    ...ends,
    options,
    tokenFile: tokenFileOf(reader),
    require: values.require ?? [],
    before: values.before,
    after: values.after,
    onFailure: values['on-failure'],
    partialIsOkUpTo: values['partial-is-ok-up-to'],
    ping,
    overdueAfterMs: values['overdue-after'],
    textfile: values.textfile,
  };
}

function tokenFileOf({ table, placeOf }: TableReader): Job['tokenFile'] {
  const path = table['token-file'];
  return typeof path === 'string' ? { ...placeOf('token-file'), path: atHome(path) } : undefined;
}

function readPing(reader: TableReader, ping: TableReader | undefined): URL | undefined {
  if ('ping' in reader.table && ping === undefined)
    reader.blame('ping', 'ping has to be a table: ping = { url = "https://…" }');
  ping?.refuseUnknown(Object.keys(PING_KEYS));
  return ping?.read(PING_KEYS)?.url;
}

/** Reads options in the order of the text: with some rules the first one counts. */
async function readOptions(
  reader: TableReader,
  keys: ReadonlyMap<string, TransferKey>,
): Promise<readonly string[]> {
  const words: string[] = [];
  for (const [name, given] of Object.entries(reader.table)) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- see above
      words.push(...((await keys.get(name)?.read(given)) ?? []));
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      reader.blameValue(name, error.message);
    }
  }
  return words;
}
