/** Carries out a selection while local sources are scanned: reads files with rules, and tells what is left out. */
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { joinPath, printable } from '../../base/safe-path.ts';
import type { EntryType } from '../../manifest/entry.ts';
import {
  CACHE_TAG,
  IGNORE_FILE,
  type Candidate,
  type Selector,
  type Unselected,
} from '../../manifest/selection.ts';
import type { OpenedDirectory, ScanFilter } from '../../storage/disk/tree/scan-filter.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import { MAX_RULE_FILE_BYTES } from './rule-files.ts';
import { missingListed } from '../transfer/missing-listed.ts';

/** Takes an entry that a selection leaves out. */
export type UnselectedSink = (path: string, kind: EntryType, reason: Unselected) => void;

/** The selection of one scan of all sources. */
export interface SourceSelection {
  /** The filter for the scan of one source, whose path in the manifest is `prefix` and whose name is `name`. */
  filterOf(prefix: string, name: string): ScanFilter;
  /** Entries that were left out; what a list does not name is not counted. */
  readonly unselected: number;
  /** The text of each file with rules that was read, by its path in the manifest. */
  readonly ruleFiles: ReadonlyMap<string, string>;
  /** What is listed and was not found, once everything was scanned. */
  missing(): Notice[];
}

/** Prepares the selection of one scan; `onNotice` is told of files with rules that cannot be read. */
export function createSourceSelection(
  selector: Selector,
  onUnselected: UnselectedSink,
  onNotice: (notice: Notice) => void,
): SourceSelection {
  const pending = new Set(selector.selection.listed?.paths);
  pending.delete('');
  let unselected = 0;
  const leaveOut: UnselectedSink = (path, kind, reason) => {
    if (reason.why === 'not-listed') return;
    unselected += 1;
    onUnselected(path, kind, reason);
  };
  const selects = (found: Candidate): boolean => {
    pending.delete(found.path);
    const reason = selector.unselected(found);
    if (reason !== undefined) leaveOut(found.path, found.type, reason);
    return reason === undefined;
  };
  const ruleFiles = new Map<string, string>();
  const visit = createVisit(selector, { leaveOut, onNotice, ruleFiles });
  return {
    ruleFiles,
    filterOf: (prefix, name) => {
      let ownDevice: bigint | undefined;
      const ask = (found: Candidate): boolean =>
        selects({ ...found, path: joinPath(prefix, found.path) || name });
      return {
        get selects() {
          return selector.takesAll() ? undefined : ask;
        },
        namesIn: (directory) => {
          ownDevice ??= directory.device;
          return visit(joinPath(prefix, directory.path), directory, ownDevice);
        },
      };
    },
    get unselected() {
      return unselected;
    },
    missing: () => missingListed(selector, pending),
  };
}

/** Looks at a directory for what closes it or adds rules, and answers which names in it are looked at. */
type Visit = (path: string, directory: OpenedDirectory, ownDevice: bigint) => readonly string[];

/** Where it puts what it finds. */
interface Findings {
  readonly leaveOut: UnselectedSink;
  readonly onNotice: (notice: Notice) => void;
  readonly ruleFiles: Map<string, string>;
}

function createVisit(selector: Selector, { leaveOut, onNotice, ruleFiles }: Findings): Visit {
  const { listed, readsIgnoreFiles, excludesCaches, staysOnFileSystem } = selector.selection;
  const close = (path: string, why: 'cache' | 'other-file-system', kept?: string): readonly string[] => {
    selector.closeDirectory(path, why, kept);
    leaveOut(`${path === '' ? '.' : path}/`, 'directory', { why });
    return kept === undefined ? [] : [kept];
  };
  return (path, directory, ownDevice) => {
    const { device, names } = directory;
    if (staysOnFileSystem && device !== ownDevice) return close(path, 'other-file-system');
    if (excludesCaches && names.includes(CACHE_TAG.name) && isCache(directory))
      return close(path, 'cache', CACHE_TAG.name);
    if (readsIgnoreFiles && names.includes(IGNORE_FILE)) {
      try {
        const text = readRules(directory);
        ruleFiles.set(joinPath(path, IGNORE_FILE), text);
        selector.addIgnoreFile(path, text);
      } catch (error) {
        onNotice(unreadRules(joinPath(path, IGNORE_FILE), error));
      }
    }
    return listed === undefined ? names : names.filter((each) => selector.mayList(joinPath(path, each)));
  };
}

/** @throws system errors, CairnError for what is no list of rules */
function readRules(directory: OpenedDirectory): string {
  const bytes = directory.read(IGNORE_FILE, MAX_RULE_FILE_BYTES + 1);
  if (bytes.byteLength > MAX_RULE_FILE_BYTES) throw new CairnError('source-unsupported', 'it is over 1 MiB');
  return Buffer.from(bytes).toString();
}

function isCache(directory: OpenedDirectory): boolean {
  const { name, signature } = CACHE_TAG;
  try {
    return Buffer.from(directory.read(name, signature.length)).toString('latin1') === signature;
  } catch (error) {
    // Where the tag cannot be read, the directory is no cache, and the tag is named when it is to be sent.
    if (error instanceof CairnError || systemCodeOf(error) !== undefined) return false;
    throw error;
  }
}

function unreadRules(path: string, error: unknown): Notice {
  const why = error instanceof CairnError ? error.message : systemCodeOf(error);
  if (why === undefined) throw error;
  const shown = printable(path);
  const message = `the rules in "${shown}" could not be read and do not count: ${why}`;
  return { code: 'source-unreadable', path: shown, message };
}
