/** `cairn doctor` with its options. */
import type { Command } from 'commander';
import { addNotes } from '../../help/notes.ts';
import { TLS_NOTE, TOKEN_NOTE } from '../../help/shared-notes.ts';
import { addAccess, addJson, type AccessValues } from '../../options/client-options.ts';
import { addOptions, flag, GROUPS, value, type Run, type ValuesOf } from '../../options/option.ts';
import { parseDuration } from '../../options/quantities.ts';

const OPTIONS = {
  thorough: flag(
    '--thorough',
    'also test a silence of 65s, longer than many proxies wait, and 64 MiB over one connection',
  ),
  silence: value('--silence <duration>', 'length of the silence to test (default: 15s)', parseSilence),
};

/** What a user says of the examination; `silence` is in milliseconds. */
export type DoctorValues = AccessValues & ValuesOf<typeof OPTIONS> & { readonly json: boolean };

const NOTES = `
Examples:
  cairn doctor http://127.0.0.1:7070/photos
  cairn doctor --thorough --json https://files.example/

Looks at the directory for checkpoints, the addresses of the host, the certificate, the greeting of the server, the clocks,
the token, the free space of the server, the servers behind a balancer, and at the way in which proxies treat bodies, answers and silence. The server keeps
nothing of it. Exit 0: no problem was found. Otherwise the exit code is the one that a transfer would end with.
${TOKEN_NOTE}
${TLS_NOTE}`;

/** Adds `doctor`. */
export function addDoctor(program: Command, run: Run<[url: string, values: DoctorValues]>): void {
  const doctor = program
    .command('doctor')
    .description('find problems between this machine and a server, and name the remedies')
    .argument('<url>');
  addJson(addAccess(addOptions(doctor, GROUPS.what, OPTIONS)));
  addNotes(doctor, NOTES).action(run);
}

async function parseSilence(option: string, word: string): Promise<number> {
  const { MAX_PROBE_SILENCE_MS: maxMs } = await import('../../../wire/admin-messages.ts');
  return parseDuration(option, word, { minMs: 1000, maxMs });
}
