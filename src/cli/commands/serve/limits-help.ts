/** `cairn serve --limit help`. */
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { print } from '../../process/output.ts';
import { limitsHelp } from './serve-limits.ts';

/** Lists every limit with its default. */
export async function runLimitsHelp(): Promise<ExitCode> {
  print(limitsHelp());
  return EXIT.done;
}
