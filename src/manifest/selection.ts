/** The selection of a transfer: which entries of a tree it takes, and why it leaves others out. Pure. */
import { createHash } from 'node:crypto';
import type { Entry } from './entry.ts';
import { createListLookup, type ListedPaths } from './selection-list.ts';
import { createRuleMatcher, ruleBelow, rulesIn, type Rule, type RuleMatcher } from './selection-rules.ts';

/** A selection as the user asks for it. */
export interface Selection {
  /** Rules in the order given; they go before those of files in the tree. */
  readonly rules: readonly Rule[];
  /** Only these paths, and what is in them. */
  readonly listed?: ListedPaths | undefined;
  /** Bounds for files, inclusive, in bytes. */
  readonly minSizeBytes?: number | undefined;
  readonly maxSizeBytes?: number | undefined;
  /** Bounds for the time since files were last modified, inclusive, in milliseconds. */
  readonly minAgeMs?: number | undefined;
  readonly maxAgeMs?: number | undefined;
  /** Whether the rules of {@link IGNORE_FILE} in the directories of a local source count. */
  readonly readsIgnoreFiles: boolean;
  /** Whether directories with a CACHEDIR.TAG are left empty but for that tag. */
  readonly excludesCaches: boolean;
  /** Whether directories of other file systems are left empty. */
  readonly staysOnFileSystem: boolean;
}

/** The file of a directory with rules for what is below it. */
export const IGNORE_FILE = '.cairnignore';
/** The file that marks a directory as a cache, and how it begins: https://bford.info/cachedir/. */
export const CACHE_TAG = {
  name: 'CACHEDIR.TAG',
  signature: 'Signature: 8a477f597d28d172789f06886806bc55',
} as const;
/** The selection of a command without options for it. */
export const SELECT_ALL: Selection = {
  rules: [],
  readsIgnoreFiles: true,
  excludesCaches: false,
  staysOnFileSystem: false,
};

/** Why a selection leaves an entry out. */
export type Unselected =
  | { readonly why: 'rule'; readonly rule: Rule }
  | { readonly why: 'not-listed' | 'too-small' | 'too-large' | 'too-new' | 'too-old' }
  | { readonly why: 'cache' | 'other-file-system' };

/** The part of an entry that a selection looks at. */
export type Candidate = Pick<Entry, 'path' | 'type' | 'sizeBytes' | 'mtimeNs'>;

/** Decides by a selection, and by what was found in the tree so far. */
export interface Selector {
  readonly selection: Selection;
  /**
   * Why an entry is left out, wherever it stands: for itself, or for a directory above it. Undefined where it is taken;
   * the top of the tree always is. Paths of a destination may be asked, too, once the source was scanned.
   */
  unselected(entry: Candidate): Unselected | undefined;
  /** Whether nothing is left out, by all that is known so far. */
  takesAll(): boolean;
  /** Whether a path is on the list, below a path of it, or on the way to one; true without a list. */
  mayList(path: string): boolean;
  /** Takes the rules of the {@link IGNORE_FILE} in a directory, before entries below that are asked. */
  addIgnoreFile(directory: string, text: string): void;
  /** Leaves out all that is below a directory, but for its entry `kept`. */
  closeDirectory(directory: string, why: 'cache' | 'other-file-system', kept?: string): void;
}

/** Whether a selection takes everything but what files in the tree name. */
export function selectsAll(selection: Selection): boolean {
  return (
    selectionText(selection) ===
    selectionText({ ...SELECT_ALL, readsIgnoreFiles: selection.readsIgnoreFiles })
  );
}

/** Tells selections apart: 64 hex digits, by what is asked and the content of files that options name. */
export function selectionId(selection: Selection): string {
  return createHash('sha256').update(selectionText(selection)).digest('hex');
}

function selectionText({
  rules,
  listed,
  readsIgnoreFiles,
  excludesCaches,
  staysOnFileSystem,
  ...bounds
}: Selection): string {
  const { minSizeBytes = null, maxSizeBytes = null, minAgeMs = null, maxAgeMs = null } = bounds;
  return JSON.stringify([
    'cairn selection 1',
    rules.map(({ pattern }) => pattern),
    listed === undefined ? null : [listed.paths.toSorted(), listed.notUtf8.toSorted()],
    [minSizeBytes, maxSizeBytes, minAgeMs, maxAgeMs],
    [readsIgnoreFiles, excludesCaches, staysOnFileSystem],
  ]);
}

const NS_PER_MS = 1_000_000n;

/** Makes a selector for a run that began at `nowMs`, in milliseconds since 1970. */
export function createSelector(selection: Selection, nowMs: number): Selector {
  const { listed, rules } = selection;
  const isPlain = selectsAll(selection);
  const ignoreFiles = new Map<string, Rule[]>();
  const matchers = new Map<string, RuleMatcher>([['', createRuleMatcher(rules)]]);
  const closed = new Map<
    string,
    { readonly why: 'cache' | 'other-file-system'; readonly kept: string | undefined }
  >();
  const shareOf = listed === undefined ? undefined : createListLookup(listed);
  const isOutOfBounds = boundsOf(selection, nowMs);
  const matcherFor = (path: string): RuleMatcher => {
    for (const directory of directoriesAbove(path, ignoreFiles.size > 0)) {
      const matcher = matchers.get(directory);
      if (matcher !== undefined) return matcher;
    }
    return matchers.get('')!;
  };
  const closedAbove = (path: string): Unselected | undefined => {
    for (const directory of directoriesAbove(path, closed.size > 0)) {
      const found = closed.get(directory);
      const isKept = found?.kept !== undefined && path === joined(directory, found.kept);
      if (found !== undefined && !isKept) return { why: found.why };
    }
    return undefined;
  };
  return {
    selection,
    unselected: (entry) => {
      const { path, type } = entry;
      if (path === '') return undefined;
      const isDirectory = type === 'directory';
      // First of all: what is not listed is not looked at, and so not counted.
      const share = shareOf?.(path) ?? 'listed';
      if (share === 'none' || (share === 'above' && !isDirectory)) return { why: 'not-listed' };
      const rule = matcherFor(path)(path, isDirectory);
      if (rule !== undefined) return { why: 'rule', rule };
      return closedAbove(path) ?? isOutOfBounds(entry);
    },
    takesAll: () => isPlain && ignoreFiles.size === 0 && closed.size === 0,
    mayList: (path) => shareOf?.(path) !== 'none',
    addIgnoreFile: (directory, text) => {
      const own = rulesIn(text, joined(directory, IGNORE_FILE)).map((rule) => ruleBelow(directory, rule));
      if (own.length === 0) return;
      ignoreFiles.set(directory, own);
      const above = directory === '' ? [] : directoriesAbove(directory, true).toReversed();
      const inOrder = [...above, directory].flatMap((each) => ignoreFiles.get(each) ?? []);
      // The last match decides: that of the command line, then that of the deepest file.
      matchers.set(directory, createRuleMatcher([...inOrder, ...rules]));
    },
    closeDirectory: (directory, why, kept) => void closed.set(directory, { why, kept }),
  };
}

function joined(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** The directories above a path, the nearest first and the top last; the top alone where no other one counts. */
function directoriesAbove(path: string, areOfInterest: boolean): string[] {
  if (!areOfInterest) return [''];
  const above: string[] = [];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    above.push(path.slice(0, end));
  return [...above, ''];
}

/** Judges files by size and age. */
function boundsOf(
  { minSizeBytes = 0, maxSizeBytes = Infinity, minAgeMs, maxAgeMs }: Selection,
  nowMs: number,
): (entry: Candidate) => Unselected | undefined {
  const ago = (ms: number): bigint => BigInt(Math.round(nowMs - ms)) * NS_PER_MS;
  const newestNs = minAgeMs === undefined ? undefined : ago(minAgeMs);
  const oldestNs = maxAgeMs === undefined ? undefined : ago(maxAgeMs);
  return ({ type, sizeBytes, mtimeNs }) => {
    if (type !== 'file') return undefined;
    if (sizeBytes < minSizeBytes) return { why: 'too-small' };
    if (sizeBytes > maxSizeBytes) return { why: 'too-large' };
    if (newestNs !== undefined && mtimeNs > newestNs) return { why: 'too-new' };
    if (oldestNs !== undefined && mtimeNs < oldestNs) return { why: 'too-old' };
    return undefined;
  };
}
