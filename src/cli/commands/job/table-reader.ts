/** Reads one table of a job file by a schema, and tells each mistake in it with its place. */
import { closestMatch } from 'leven';
import * as v from 'valibot';
import type { Mistake, Place, PlacedToml, TomlPath, TomlTable } from './placed-toml.ts';

/** A table, and where its mistakes go. */
export interface TableReader {
  readonly table: TomlTable;
  /** What the schemas make of the table; undefined where one of them finds a mistake. */
  read<Entries extends v.ObjectEntries>(
    entries: Entries,
  ): v.InferOutput<v.ObjectSchema<Entries, undefined>> | undefined;
  /** What the schema makes of the value of one key. */
  value<Schema extends v.GenericSchema>(key: string, schema: Schema): v.InferOutput<Schema> | undefined;
  /** Says of each key that is not among `known` that there is no such key. */
  refuseUnknown(known: readonly string[], refused?: Readonly<Record<string, string>>): void;
  /** Where the value of a key stands. */
  placeOf(key: string): Place;
  /** Adds a mistake at a key, or, where the table does not have it, at the table. */
  blame(key: string, message: string): void;
  /** Adds a mistake at the value of a key. */
  blameValue(key: string, message: string): void;
}

/** A typing error is at most so many letters away. */
const MOST_LETTERS = 2;

/** Whether a value of a TOML text is a table. */
export function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}

/**
 * Reads the table at `path`.
 *
 * @param what what the table is of, for messages: "a job"
 */
export function tableReader(
  toml: PlacedToml,
  { path, table, what }: { readonly path: TomlPath; readonly table: TomlTable; readonly what: string },
  add: (mistake: Mistake) => void,
): TableReader {
  const addIssues = (issues: readonly v.BaseIssue<unknown>[], below: TomlPath): void => {
    for (const issue of issues) {
      const steps = [...below, ...(issue.path ?? []).map(({ key }) => key as string | number)];
      add({ ...toml.placeOf([...path, ...steps]), message: messageOf(issue, steps) });
    }
  };
  return {
    table,
    read: (entries) => {
      const { success, output, issues } = v.safeParse(v.object(entries), { ...table });
      if (success) return output;
      addIssues(issues, []);
      return undefined;
    },
    value: (key, schema) => {
      const { success, output, issues } = v.safeParse(schema, table[key]);
      if (success) return output;
      addIssues(issues, [key]);
      return undefined;
    },
    refuseUnknown: (known, refused = {}) => {
      for (const key of Object.keys(table).filter((each) => !known.includes(each))) {
        const message = Object.hasOwn(refused, key) ? refused[key]! : unknownKey(key, known, what);
        add({ ...toml.placeOfKey([...path, key]), message });
      }
    },
    placeOf: (key) => toml.placeOf([...path, key]),
    blameValue: (key, message) => add({ ...toml.placeOf([...path, key]), message }),
    blame: (key, message) => add({ ...toml.placeOfKey([...path, key]), message }),
  };
}

function messageOf(issue: v.BaseIssue<unknown>, steps: TomlPath): string {
  const key = steps.filter((step) => typeof step === 'string').join('.');
  if (issue.type === 'object') return `${key} is missing`;
  // A parser of the command line names itself what it reads.
  return issue.type === 'raw_transform' ? issue.message : `${key} ${issue.message}`;
}

/** The message for a key that there is not, with the one that may have been meant. */
export function unknownKey(key: string, known: readonly string[], what: string): string {
  const meant = closestMatch(key, known, { maxDistance: MOST_LETTERS + 1 });
  const isNear = meant !== undefined && Math.abs(meant.length - key.length) <= MOST_LETTERS;
  const advice = isNear ? `did you mean "${meant}"?` : `${what} has the keys ${known.toSorted().join(', ')}`;
  return `there is no key "${key}"; ${advice}`;
}
