import type { ExitCode } from '../../base/errors.ts';

/** Told the exit code of the command that ran. */
export type Done = (exitCode: ExitCode) => void;
