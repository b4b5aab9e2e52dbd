/** `cairn store copy` with its options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addJson } from '../../options/client-options.ts';
import {
  addOptions,
  choice,
  GROUPS,
  ofThisCommand,
  text,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { BUCKET_OPTIONS, parseEndpoint } from '../../options/store-address.ts';

const COPY = ofThisCommand({
  as: choice('--as <kind>', 'what an empty directory TO becomes: root or store (default: what FROM is not)', [
    'root',
    'store',
  ]),
});
const STATE = {
  state: text('--state <dir>', 'the state of the root, where it is not in ROOT/.cairn'),
};
const FROM_BUCKET = ofThisCommand({
  fromS3Endpoint: value(
    '--from-s3-endpoint <url>',
    'the service of FROM, where it is not that of TO',
    parseEndpoint,
  ),
  fromS3Region: text('--from-s3-region <region>', 'its region'),
  fromS3Profile: text('--from-s3-profile <name>', 'the profile of ~/.aws/credentials with the keys for FROM'),
});

/** What a user says of a copy. */
export type CopyValues = ValuesOf<typeof COPY & typeof STATE & typeof BUCKET_OPTIONS & typeof FROM_BUCKET> & {
  readonly json: boolean;
};

/** What runs it. */
interface StoreRuns {
  readonly copy: Run<[from: string, to: string, values: CopyValues]>;
}

const NOTES = `
Examples:
  cairn store copy /srv/files s3://files/cairn --s3-region eu-central-1       from one server to several
  cairn store copy s3://files/cairn /srv/files                                and back
  cairn store copy /mnt/store s3://files/cairn --s3-endpoint https://s3.example.org
  cairn store copy s3://old s3://new --from-s3-endpoint https://s3.example.org --from-s3-profile old

FROM and TO are each the directory that one server has for itself (cairn serve --root), or what several share (cairn serve
--store): s3://BUCKET[/PREFIX], or a directory of objects. TO has to be empty, or an earlier copy of FROM. Every server of both has
to be stopped; while a copy runs none starts.

A copy that was interrupted goes on when it is run again, and copies nothing again that is there. All bytes are read back from TO
and compared by their SHA-256 before they count. A server refuses a copy that is not whole. FROM stays as it is.

Between a root and a store go: all files with modes and times, owners, groups, extended attributes and access control lists as far
as the disk and this user allow it; tokens, grants, keys and the use of quotas. Hard links become files of their own. Unfinished
transfers are named and stay behind: their clients start over. Between two stores everything goes, unfinished transfers too.

The keys of a bucket come from the variables of AWS, as for cairn serve; those for FROM from a profile, where it has others.

Exit 0: the copy is whole. 3: it is, but for the entries that are named. 7: TO gives other bytes back. 8: a server runs. 9: a
storage failed.`;

/** Adds `store copy`. */
export function addStore(program: Command, runs: StoreRuns): void {
  const store = addNotes(program.command('store'), NOTES).description(
    'move what servers keep to another store',
  );
  const copy = store.command('copy').description('copy a root or a store, while no server uses it');
  addOptions(copy, GROUPS.what, { ...COPY, ...STATE });
  addOptions(copy, 'Buckets:', { ...BUCKET_OPTIONS, ...FROM_BUCKET });
  addJson(copy).argument('<from>').argument('<to>').action(runs.copy);
}
