/** `cairn grant` with its options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { TOKEN_NOTE } from '../../help/shared-notes.ts';
import {
  addJson,
  addRetryFor,
  addTls,
  addTokenFile,
  type AccessValues,
  type RetryFor,
} from '../../options/client-options.ts';
import {
  addOptions,
  file,
  flag,
  GROUPS,
  ofThisCommand,
  text,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { parseDuration, parseSize } from '../../options/quantities.ts';

const BYTES_RANGE = { min: 1, max: Number.MAX_SAFE_INTEGER };

const WHAT = ofThisCommand({
  push: flag('--push', 'grant to push, and to replace files'),
  append: flag('--append', 'grant to push new files, and to replace nothing'),
  drop: flag('--drop', 'grant a drop box: the client learns nothing, and replaces nothing'),
  pull: flag('--pull', 'grant to pull'),
  list: flag('--list', 'list the grants of the owner of the access token'),
  revoke: text('--revoke <id>', 'end a grant, and stop its transfers'),
});
const GRANT = {
  ...ofThisCommand({
    expires: value('--expires <duration>', 'when it expires, from now on: 24h (default), 7d', parseExpiry),
  }),
  maxBytes: value('--max-bytes <size>', 'most bytes that may be pushed in all', (option, word) =>
    parseSize(option, word, BYTES_RANGE),
  ),
  out: file('--out <file>', 'write the grant into this new file, readable only by you'),
};

/** What a user says of a grant; `expires` is in milliseconds from now on. */
export type GrantValues = ValuesOf<typeof WHAT & typeof GRANT> &
  AccessValues & { readonly retryFor: RetryFor; readonly json: boolean };

const NOTES = `
Examples:
  cairn grant https://files.example.org/inbox/alice --push --expires 7d --max-bytes 10G --out alice.grant
  cairn grant https://files.example.org/inbox/all --drop --expires 30d --max-bytes 1G --out drop.grant
  cairn grant https://files.example.org/photos --pull --expires 24h > photos.grant
  cairn grant --list https://files.example.org/
  cairn grant --revoke ID https://files.example.org/

A client takes a grant in place of an access token, and can resume with it:
  cairn push --token-file alice.grant report.pdf https://files.example.org/inbox/alice/

A grant allows no more than the access token that asked for it: the same scopes, path and quota, and no longer. It ends with
that token. Bytes that are pushed with a grant also count for the quota of that token.

With --push the client learns nothing of the files that the server has: it sends everything, and replaces files of the same
name. With --append a file that exists stays as it is; the client names it and leaves it out (exit 3). With --drop it stays as
it is, too, and the new file gets another name: "report.pdf" becomes "report (2).pdf", which the client does not learn.
${TOKEN_NOTE}`;

/** Adds `grant`. */
export function addGrant(program: Command, run: Run<[url: string, values: GrantValues]>): void {
  const grant = program
    .command('grant')
    .description('let a person without an account push or pull one file or tree, for a while')
    .usage('[options] URL --push|--append|--drop|--pull\n       cairn grant [options] --list|--revoke ID URL')
    .argument('<url>', 'the file or tree that is granted');
  addOptions(addOptions(grant, GROUPS.what, WHAT), 'The grant:', GRANT);
  addJson(addRetryFor(addTls(addTokenFile(grant)), '10s'));
  addNotes(grant, NOTES).action(run);
}

async function parseExpiry(option: string, word: string): Promise<number> {
  const { MAX_GRANT_MS: maxMs } = await import('../../../wire/grant-messages.ts');
  return parseDuration(option, word, { minMs: 1000, maxMs });
}
