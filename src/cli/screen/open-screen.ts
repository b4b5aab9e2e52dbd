/** Chooses the renderer of a transfer. */
import { hasColors } from './terminal.ts';
import type { Screen } from './screen.ts';

/** How the user wants to see a transfer. */
export interface ScreenWishes {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
  readonly dryRun: boolean;
}

/** Where a screen writes. */
export interface Outputs {
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The screen for these wishes; loads only the renderer that it takes. */
export async function openScreen(wishes: ScreenWishes, outputs: Outputs): Promise<Screen> {
  const { print, stderr, env } = outputs;
  const toStderr = (line: string): void => void stderr.write(`${line}\n`);
  if (wishes.json) {
    const { createJsonScreen } = await import('./json.ts');
    const showsNotices = !wishes.quiet;
    const showsProgress = wishes.progress && showsNotices;
    return createJsonScreen({ write: print, say: toStderr, showsProgress, showsNotices });
  }
  if (wishes.quiet) {
    const { createQuietScreen } = await import('./plain.ts');
    return createQuietScreen(toStderr);
  }
  // Off a terminal cli-progress prints wrong bars, even when told not to print any.
  // What a dry run tells goes to standard output, which may be the same terminal.
  if (wishes.progress && !wishes.dryRun && stderr.isTTY && env['TERM'] !== 'dumb') {
    const { createBarScreen } = await import('./bars.ts');
    return createBarScreen({ stream: stderr, hasColor: hasColors(stderr, env) });
  }
  const { createPlainScreen } = await import('./plain.ts');
  return createPlainScreen({ say: toStderr, print, showsProgress: wishes.progress, dryRun: wishes.dryRun });
}
