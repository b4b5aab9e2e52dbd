/** Lists of paths that do not fit a tree: what was not found is named. Pure. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { Selector, Unselected } from '../../manifest/selection.ts';
import type { Notice } from '../../wire/tree-stream.ts';

/** What was not looked at for one of these reasons is not missing. */
const NOT_LOOKED_AT = new Set<Unselected['why'] | undefined>(['rule', 'cache', 'other-file-system']);

/** A notice for each path of the list that is `pending` after all entries were seen, and for names that no entry can have. */
export function missingListed(selector: Selector, pending: Iterable<string>): Notice[] {
  const { notUtf8 = [] } = selector.selection.listed ?? {};
  const isMissing = (path: string): boolean =>
    !NOT_LOOKED_AT.has(selector.unselected({ path, type: 'file', sizeBytes: 0, mtimeNs: 0n })?.why);
  return [
    ...[...pending].filter(isMissing).map((path) => notice('source-missing', path, 'is not there')),
    ...notUtf8.map((name) => notice('source-unsupported', name, 'is no entry: its name is not UTF-8')),
  ];
}

function notice(code: Notice['code'], path: string, why: string): Notice {
  const shown = printable(path);
  return { code, path: shown, message: `"${shown}" is listed, and ${why}` };
}

/** The error for a list of paths in what is one file. */
export function listOfFile(name: string): CairnError {
  const message = `"${printable(name)}" is no directory, and a list of paths takes entries of one; leave --files-from out`;
  return new CairnError('not-directory', message);
}
