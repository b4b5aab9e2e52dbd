/** Notices that another process has replaced a file: by looking, since notifications are lost on some file systems. */
import { setTimeout as sleep } from 'node:timers/promises';
import { stat } from 'node:fs/promises';
import { storageError, systemCodeOf } from '../../base/errors.ts';

/** A file that is looked at until {@link stop}. */
export interface FileWatch {
  /**
   * Looks now, and resolves when what is found has been taken in. However often it is asked there is a pause between two
   * looks: whoever can make a server ask must not make it read without end.
   */
  look(): Promise<void>;
  stop(): void;
}

/** Between two looks that were asked for, in milliseconds. */
const PAUSE_MS = 50;

/**
 * Looks at a file every `everyMs`, without keeping the process alive. `onChange` is told at the first look, and when the
 * file is another one than before, or gone; `onError` what it throws, which makes the next look tell again, and what
 * looking throws.
 */
export function watchFile(
  path: string,
  options: { everyMs: number; onChange: () => Promise<void>; onError: (error: unknown) => void },
): FileWatch {
  const { everyMs, onChange, onError } = options;
  let known: string | undefined;
  let lookedAtMs = -Infinity;
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const lookOnce = async (): Promise<void> => {
    lookedAtMs = performance.now();
    try {
      // What it looks like before it is read: one that changes meanwhile is another one the next time.
      const found = await signatureOf(path);
      if (found === known) return;
      await onChange();
      known = found;
    } catch (error) {
      onError(error);
    }
  };
  const lookSoon = async (): Promise<void> => {
    await running;
    const pauseMs = PAUSE_MS - (performance.now() - lookedAtMs);
    if (pauseMs > 0) await sleep(pauseMs, undefined, { ref: false });
    next = undefined;
    running = lookOnce();
    await running;
  };
  // A look that is under way may have come too early for what somebody asks for now.
  const look = (): Promise<void> => (next ??= lookSoon());
  const timer = setInterval(() => void look(), everyMs).unref();
  return { look, stop: () => clearInterval(timer) };
}

/** What tells a file from the one that was there before. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 'none';
    throw storageError(error, `looking at "${path}"`);
  }
}
