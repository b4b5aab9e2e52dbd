/** Runs the resume command of every unfinished transfer, one after the other, each in a process of its own. */
import { spawn } from 'node:child_process';
import { ERROR_TABLE, EXIT, type ErrorCode, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TransferInfo } from '../../../client/state/transfer-info.ts';
import type { UnreadableTransfer } from '../../../client/transfers.ts';
import { readsListFromInput } from '../../options/selection-options.ts';
import { childExitCode, GENERAL, worstOf } from '../../process/child-exit.ts';
import { watchSignals } from '../../process/interruption.ts';
import { ownProgram, shownCommand } from '../../process/own-command.ts';
import { jsonLine } from '../../report/json-line.ts';
import { printAside } from '../../process/output.ts';

/** How the processes show what they do. */
export interface ResumeWishes {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** The unfinished transfers of this machine. */
interface Unfinished {
  readonly transfers: readonly TransferInfo[];
  readonly unreadable: readonly UnreadableTransfer[];
}

/** Resumes each transfer that does not run; answers the worst exit code, also of those that cannot be resumed. */
export async function resumeAll(
  { transfers, unreadable }: Unfinished,
  wishes: ResumeWishes,
): Promise<ExitCode> {
  const say = (line: string): void => {
    if (!wishes.quiet) process.stderr.write(`${line}\n`);
  };
  const exitCodes: ExitCode[] = [];
  for (const info of transfers) {
    if (info.locked) {
      say(`cairn: already running: ${printable(info.url)}`);
      continue;
    }
    if (readsListFromInput(info.resumeCommand)) {
      const command = shownCommand(info.resumeCommand);
      process.stderr.write(
        `cairn: not resumed, since its list came from standard input; run it again with that: ${command}\n`,
      );
      exitCodes.push(EXIT.partial);
      continue;
    }
    say(`cairn: ${shownCommand(info.resumeCommand)}`);
    // oxlint-disable-next-line no-await-in-loop -- one after the other, or they would share the link
    const exitCode = await runAgain(info.resumeCommand, wishes);
    exitCodes.push(exitCode);
    if (exitCode === EXIT.interrupted || exitCode === EXIT.terminated) break;
  }
  for (const { id, code, message } of unreadable) {
    process.stderr.write(
      `cairn: ${id.slice(0, 8)} is not resumed: ${message}; to remove it: cairn transfers rm ${id.slice(0, 8)}\n`,
    );
    exitCodes.push(ERROR_TABLE[code].exitCode);
  }
  if (exitCodes.length === 0) say('cairn: nothing to resume');
  const exitCode = worstOf(exitCodes);
  if (wishes.json) {
    const code = codeFor(exitCode, unreadable);
    const resumed = exitCodes.length - unreadable.length;
    printAside(jsonLine({ type: 'summary', transfers: resumed, code, exitCode }));
  }
  return exitCode;
}

/**
 * The code of a summary with this exit code: of an unreadable transfer its own, else the most general one of the table.
 * The last line of each process has the exact code.
 */
function codeFor(exitCode: ExitCode, unreadable: readonly UnreadableTransfer[]): ErrorCode | 'ok' {
  return unreadable.find(({ code }) => ERROR_TABLE[code].exitCode === exitCode)?.code ?? GENERAL[exitCode];
}

/** The arguments for the stored command, with this run's way of showing it. */
export function argumentsOf(command: readonly string[], wishes: ResumeWishes): string[] {
  const [, subcommand = '', ...rest] = command;
  return [subcommand, ...(wishes.json ? ['--json'] : []), ...(wishes.quiet ? ['--quiet'] : []), ...rest];
}

async function runAgain(command: readonly string[], wishes: ResumeWishes): Promise<ExitCode> {
  const [program, ...script] = ownProgram();
  const child = spawn(program, [...script, ...argumentsOf(command, wishes)], { stdio: 'inherit' });
  // A terminal sends its signals to the child too; a second one would end it at once, so only kill(1)'s is passed on.
  const interruption = watchSignals((name) => {
    if (name === 'SIGTERM') child.kill(name);
  });
  try {
    return await new Promise<ExitCode>((done, fail) => {
      child.once('error', fail);
      child.once('close', (status, signal) => done(childExitCode(status, signal)));
    });
  } finally {
    interruption.dispose();
  }
}
