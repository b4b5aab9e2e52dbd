/** Metadata that entries did not get: named once for each kind. */
import { printable } from '../../base/safe-path.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { isMetadataKind, type MetadataKind } from '../../manifest/metadata.ts';
import type { Unkept } from '../../wire/messages.ts';
import type { Report } from '../api/events.ts';

/** What people call each kind. */
export const METADATA_WORDS: Readonly<Record<MetadataKind, string>> = {
  'acls': 'access control lists',
  'group': 'groups',
  'hard-links': 'hard links',
  'names': 'names of users and groups',
  'owner': 'owners',
  'sparse': 'holes',
  'xattrs': 'extended attributes',
};

const REASONS: Readonly<Record<string, string>> = {
  'storage-denied': 'permission denied',
  'storage-full': 'the file system has no more room for them',
  'storage-unsupported': 'the file system does not keep them',
};

/** Tells what the receiver could not keep; answers how many times an entry lacks something. */
export function reportUnkept(unkept: Unkept, { entries }: Pick<Manifest, 'entries'>, report: Report): number {
  let count = 0;
  for (const { kind, entries: number, first, code } of unkept) {
    const words = isMetadataKind(kind) ? METADATA_WORDS[kind] : 'some metadata';
    const path = printable(first < entries.length ? entries.pathOf(first) || '.' : '.');
    const why = REASONS[code] ?? 'the receiver does not take them';
    const message = `${words} are not kept (${number} entries, the first is "${path}"): ${why}`;
    report({ type: 'notice', message });
    count += number;
  }
  return count;
}
