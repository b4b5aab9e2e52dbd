/** Where the compiled code of cairn is kept between its runs. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * `$XDG_CACHE_HOME/cairn/compiled`, else `~/.cache/cairn/compiled`; undefined for a user without a home, or whose `HOME`
 * is no absolute path: what lies below the working directory may come from anybody.
 */
export function compiledHome(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const xdg = env['XDG_CACHE_HOME'];
  try {
    const caches = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache');
    return isAbsolute(caches) ? join(caches, 'cairn', 'compiled') : undefined;
  } catch {
    return undefined; // the code is compiled at every start
  }
}
