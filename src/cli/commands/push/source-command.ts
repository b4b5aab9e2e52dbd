/** `push --from-command`: the program whose output is pushed, run without a shell. */
import { spawn, type ChildProcess } from 'node:child_process';
import { PassThrough, pipeline } from 'node:stream';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { withoutSecrets } from '../../process/child-environment.ts';

/** How long a program may take to end after it was asked to. */
const GRACE_MS = 5000;

/** A running program. */
export interface SourceCommand {
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves once the program has ended well. @throws CairnError `source-command-failed` */
  succeeded(): Promise<void>;
  /** Ends the program, if it still runs. */
  stop(): Promise<void>;
}

interface Ending {
  readonly error?: Error;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Starts the program. Its standard input is empty; what it says on standard error goes where cairn's goes. It inherits
 * the environment without the secrets that are meant for cairn.
 */
export function startSourceCommand(argv: readonly [string, ...string[]]): SourceCommand {
  const [program, ...rest] = argv;
  const env = withoutSecrets(process.env);
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'], env });
  // When a program exits Node throws away bytes without a reader, so this reads from the first moment on.
  const output = new PassThrough();
  pipeline(child.stdout, output, () => {
    // Its reader is told by `output` itself.
  });
  const ended = new Promise<Ending>((done) => {
    child.once('error', (error) => done({ error, status: null, signal: null }));
    child.once('close', (status, signal) => done({ status, signal }));
  });
  return {
    output,
    succeeded: async () => {
      const ending = await ended;
      if (ending.error !== undefined || ending.status !== 0) throw failed(program, ending);
    },
    stop: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.stdout?.destroy();
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await ended;
  clearTimeout(timer);
}

function failed(program: string, { error, status, signal }: Ending): CairnError {
  const name = printable(program);
  const how =
    error !== undefined
      ? `could not be started (${systemCodeOf(error) ?? error.message})`
      : signal === null
        ? `ended with exit code ${status}`
        : `was killed by ${signal}`;
  return new CairnError('source-command-failed', `the command "${name}" ${how}; nothing was published`, {
    details: {
      command: program,
      ...(status === null ? {} : { exitCode: status }),
      ...(signal === null ? {} : { signal }),
    },
    ...(error === undefined ? {} : { cause: error }),
  });
}
