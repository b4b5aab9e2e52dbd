/** The commands of the command line, and what runs each: that is loaded when it runs. */
import { Command, Option } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import { EXIT_NOTE } from './help/shared-notes.ts';
import { styleHelp } from './help/help-style.ts';
import { addCompletion, COMPLETE } from './commands/completion/completion-command.ts';
import { addDemo } from './commands/demo/demo-command.ts';
import { addDoctor } from './commands/doctor/doctor-command.ts';
import { addGrant } from './commands/grant/grant-command.ts';
import { addJob } from './commands/job/job-command.ts';
import { addLogin } from './commands/login/login-commands.ts';
import { addLs } from './commands/ls/ls-command.ts';
import { addPull } from './commands/pull/pull-command.ts';
import { addPush } from './commands/push/push-command.ts';
import { addServe } from './commands/serve/serve-command.ts';
import { addSessions } from './commands/sessions/sessions-command.ts';
import { addStore } from './commands/store/store-command.ts';
import { addToken } from './commands/token/token-command.ts';
import { addTransfers } from './commands/transfers/transfers-command.ts';
import { addTreeChanges } from './commands/tree/tree-commands.ts';
import { addVerify } from './commands/verify/verify-command.ts';
import { addNotes } from './help/notes.ts';
import { print } from './process/output.ts';
import { VERSION } from './process/cairn-version.ts';
import { refuseEmptyWords } from './options/empty-words.ts';
import { readValues, type Run } from './options/option.ts';

const NOTES = `
Examples:
  cairn serve --root /srv/files                     serve a directory on http://127.0.0.1:7070/
  cairn push ~/photos http://127.0.0.1:7070/photos  the entries of ~/photos appear under /photos
  cairn pull http://127.0.0.1:7070/photos ~/copy    fetch them again
  cairn demo                                        watch it survive cuts and kills

Running the same push or pull again resumes it.

The environment can give every option, too: --retry-for 1h is CAIRN_RETRY_FOR=1h, or CAIRN_PUSH_RETRY_FOR=1h for push
alone, which counts first; an option without a value takes 1 or 0. The command line counts before both.
${EXIT_NOTE}`;

/** Loads what runs a command, which answers its exit code. */
type Load<Args extends unknown[]> = () => Promise<(...args: Args) => ExitCode | Promise<ExitCode>>;
/** Makes a command of what is loaded when it runs. */
type Lazily = <Args extends unknown[]>(load: Load<Args>) => Run<Args>;

/**
 * The command line; `done` is told the exit code of the command that ran. Parsing throws commander's error for what it does not
 * know, and CairnError for what the commands throw; nothing is said of either here.
 */
export function createProgram(done: (exitCode: ExitCode) => void): Command {
  const lazily: Lazily =
    (load) =>
    async (...args) => {
      const run = await load();
      done(await run(...args));
    };
  const program = styleHelp(new Command('cairn'))
    .description('Moves files and directory trees to and from a server, and never loses its place.')
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(new Option('-h, --help', 'print this help'))
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => undefined, writeOut: print })
    .exitOverride()
    .hook('preAction', async (_program, command) => {
      if (command.name() !== COMPLETE) refuseEmptyWords(command);
      await readValues(command);
    });
  addNotes(program, NOTES);
  addMoves(program.commandsGroup('Move files:'), lazily);
  addOfThisMachine(program.commandsGroup('On this machine:'), lazily);
  addOfServer(program.commandsGroup('Run a server:'), lazily);
  return program;
}

function addMoves(program: Command, lazily: Lazily): void {
  const changes = () => import('./commands/tree/change-tree.ts');
  const [push, pull, ls, verify] = [
    lazily(async () => (await import('./commands/push/run-push.ts')).runPush),
    lazily(async () => (await import('./commands/pull/run-pull.ts')).runPull),
    lazily(async () => (await import('./commands/ls/run-ls.ts')).runLs),
    lazily(async () => (await import('./commands/verify/run-verify.ts')).runVerify),
  ];
  addPush(program, push);
  addPull(program, pull);
  addLs(program, ls);
  addVerify(program, verify);
  addTreeChanges(program, {
    rm: lazily(async () => (await changes()).runRm),
    mv: lazily(async () => (await changes()).runMv),
    mkdir: lazily(async () => (await changes()).runMkdir),
  });
}

function addOfThisMachine(program: Command, lazily: Lazily): void {
  const transfers = () => import('./commands/transfers/run-transfers.ts');
  const login = () => import('./commands/login/run-login.ts');
  const completion = () => import('./commands/completion/run-completion.ts');
  const [doctor, demo] = [
    lazily(async () => (await import('./commands/doctor/run-doctor.ts')).runDoctor),
    lazily(async () => (await import('./commands/demo/run-demo.ts')).runDemo),
  ];
  addTransfers(program, {
    list: lazily(async () => (await transfers()).runTransfersList),
    show: lazily(async () => (await transfers()).runTransfersShow),
    resume: lazily(async () => (await transfers()).runTransfersResume),
    rm: lazily(async () => (await transfers()).runTransfersRm),
  });
  addJobs(program, lazily);
  addLogin(program, {
    login: lazily(async () => (await login()).runLogin),
    status: lazily(async () => (await login()).runLoginStatus),
    logout: lazily(async () => (await import('./commands/login/run-logout.ts')).runLogout),
  });
  addDoctor(program, doctor);
  addCompletion(program, {
    script: lazily(async () => (await completion()).runCompletion),
    complete: lazily(async () =>
      (await completion()).completeIn(program, {
        jobNames: async (file) => (await import('./commands/job/job-names.ts')).jobNames(program, file),
      }),
    ),
  });
  addDemo(program, demo);
}

function addJobs(program: Command, lazily: Lazily): void {
  addJob(program, {
    run: lazily(async () => (await import('./commands/job/run-jobs.ts')).runJobsOf(program)),
    status: lazily(async () => (await import('./commands/job/job-status.ts')).jobStatusOf(program)),
    history: lazily(async () => (await import('./commands/job/job-history.ts')).runJobHistory),
    timer: lazily(async () => (await import('./commands/job/print-timer.ts')).jobTimerOf(program)),
    check: lazily(async () => (await import('./commands/job/check-jobs.ts')).checkJobsOf(program)),
    list: lazily(async () => (await import('./commands/job/list-jobs.ts')).listJobsOf(program)),
  });
}

function addOfServer(program: Command, lazily: Lazily): void {
  const token = () => import('./commands/token/run-token.ts');
  const sessions = () => import('./commands/sessions/run-sessions.ts');
  const grant = lazily(async () => (await import('./commands/grant/run-grant.ts')).runGrant);
  addServe(program, {
    serve: lazily(async () => (await import('./commands/serve/run-serve.ts')).runServe),
    check: lazily(async () => (await import('./commands/serve/run-check.ts')).runServeCheck),
    limitsHelp: lazily(async () => (await import('./commands/serve/serve-limits.ts')).runLimitsHelp),
  });
  addToken(program, {
    create: lazily(async () => (await token()).runTokenCreate),
    list: lazily(async () => (await token()).runTokenList),
    revoke: lazily(async () => (await token()).runTokenRevoke),
  });
  addGrant(program, grant);
  addStore(program, {
    copy: lazily(async () => (await import('./commands/store/run-copy.ts')).runStoreCopy),
  });
  addSessions(program, {
    list: lazily(async () => (await sessions()).runSessionsList),
    show: lazily(async () => (await sessions()).runSessionsShow),
    abort: lazily(async () => (await sessions()).runSessionsAbort),
  });
}
