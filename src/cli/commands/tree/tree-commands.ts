/** `cairn rm`, `mv` and `mkdir` with their options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { addClientOptions, type ClientValues } from '../../options/client-options.ts';
import { addOptions, flag, GROUPS, ofThisCommand, type Run, type ValuesOf } from '../../options/option.ts';

const RM = ofThisCommand({
  recursive: flag('-r, --recursive', 'remove directories with everything in them'),
  force: flag('-f, --force', 'succeed also where there is nothing at a URL'),
});
const MV = ofThisCommand({ force: flag('-f, --force', 'replace a file at the new URL') });
const MKDIR = ofThisCommand({
  parents: flag('-p, --parents', 'also make missing parents, and accept a directory that exists'),
});

/** What a user says of `cairn rm`. */
export type RmValues = ClientValues & ValuesOf<typeof RM>;
/** What a user says of `cairn mv`. */
export type MvValues = ClientValues & ValuesOf<typeof MV>;
/** What a user says of `cairn mkdir`. */
export type MkdirValues = ClientValues & ValuesOf<typeof MKDIR>;

/** What runs each of them. */
interface TreeRuns {
  readonly rm: Run<[urls: readonly string[], values: RmValues]>;
  readonly mv: Run<[from: string, to: string, values: MvValues]>;
  readonly mkdir: Run<[urls: readonly string[], values: MkdirValues]>;
}

const NEEDS = `
The access token needs the scope "write". There is no way to undo it. The root of the server, the path of the token and the
files of cairn itself cannot be changed.`;

const RM_NOTES = `
Examples:
  cairn rm http://127.0.0.1:7070/photos/old.jpg
  cairn rm -r http://127.0.0.1:7070/photos/2019

A directory that is not empty needs -r.
${NEEDS}`;

const MV_NOTES = `
Examples:
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/report-2025.pdf
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/archive/

Both URLs are of the same server. A move to a directory, or to a URL with a slash at its end, keeps the name.
${NEEDS}`;

const MKDIR_NOTES = `
Examples:
  cairn mkdir -p http://127.0.0.1:7070/backups/laptop
${NEEDS}`;

/** Adds `rm`, `mv` and `mkdir`. */
export function addTreeChanges(program: Command, runs: TreeRuns): void {
  const rm = program.command('rm').description('remove files and directories on a server');
  addClientOptions(addOptions(rm, GROUPS.what, RM), '10s');
  addNotes(rm, RM_NOTES).argument('<urls...>').action(runs.rm);
  const mv = program.command('mv').description('move or rename a file or directory on a server');
  addClientOptions(addOptions(mv, GROUPS.what, MV), '10s');
  addNotes(mv, MV_NOTES).argument('<from>').argument('<to>').action(runs.mv);
  const mkdir = program.command('mkdir').description('make directories on a server');
  addClientOptions(addOptions(mkdir, GROUPS.what, MKDIR), '10s');
  addNotes(mkdir, MKDIR_NOTES).argument('<urls...>').action(runs.mkdir);
}
