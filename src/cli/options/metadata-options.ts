/** The options of push and pull about metadata beside modes and times. */
import type { MetadataKind } from '../../manifest/metadata.ts';
import { flag, type ValuesOf } from './option.ts';
import { usage } from './usage.ts';
import { wordsAgain } from './words-again.ts';

/** The table of these options. */
export const METADATA = {
  archive: flag(
    '--archive',
    'keep all of it: --preserve-modes --owner --group --xattrs --acls --hard-links --sparse',
  ),
  owner: flag('--owner', 'keep owners, where the receiver may set them (a server: --allow-owners)'),
  group: flag('--group', 'keep groups, where the receiver may set them (a server: --allow-owners)'),
  numericIds: flag('--numeric-ids', 'take users and groups by their numbers, not by their names'),
  xattrs: flag('--xattrs', 'keep extended attributes of users (user.*)'),
  acls: flag('--acls', 'keep access control lists (a server: --allow-owners)'),
  hardLinks: flag('--hard-links', 'keep hard links between files of the transfer; each file is sent once'),
  sparse: flag('--sparse', 'make holes of long runs of zeros'),
  strictMetadata: flag('--strict-metadata', 'exit with 3 where the receiver could not keep some of it'),
};
/** What a user says of metadata. */
export type MetadataValues = ValuesOf<typeof METADATA>;

/** The kinds of metadata that the values ask for. @throws CairnError `usage` for options that would do nothing */
export function metadataOf(values: MetadataValues): readonly MetadataKind[] {
  const { archive, numericIds, strictMetadata } = values;
  const has = (value: boolean): boolean => value || archive;
  const owners = has(values.owner) || has(values.group) || has(values.acls);
  if (numericIds && !owners)
    throw usage('--numeric-ids goes with --owner, --group, --acls or --archive', '--archive --numeric-ids');
  const kinds: readonly (readonly [MetadataKind, boolean])[] = [
    ['acls', has(values.acls)],
    ['group', has(values.group)],
    ['hard-links', has(values.hardLinks)],
    ['names', owners && !numericIds],
    ['owner', has(values.owner)],
    ['sparse', has(values.sparse)],
    ['xattrs', has(values.xattrs)],
  ];
  const wanted = kinds.flatMap(([kind, isWanted]) => (isWanted ? [kind] : []));
  if (strictMetadata && wanted.length === 0)
    throw usage('--strict-metadata goes with options such as --archive', '--archive --strict-metadata');
  return wanted;
}

/** Whether the values ask for metadata. */
export function isAboutMetadata(values: MetadataValues): boolean {
  return wordsAgain(METADATA, values).length > 0;
}
