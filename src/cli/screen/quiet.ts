import { warningLine } from './lines.ts';
import type { Screen } from './screen.ts';

/** `--quiet`: nothing but what was left out, since that changes the result. */
export function createQuietScreen(say: (line: string) => void): Screen {
  return {
    report: (event) => {
      if (event.type === 'warning') say(warningLine(event));
    },
    say,
    stop: () => undefined,
    summarize: () => undefined,
  };
}
