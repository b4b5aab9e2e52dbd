/** What a server serves from, open: the root that is its own, or the store that it shares. */
import type { CairnError } from '../../../base/errors.ts';
import type { TokenStore } from '../../../server/access/first-token.ts';
import type { startServer } from '../../../server/server.ts';

type ServerOptions = Parameters<typeof startServer>[0];

/** The stores of a server, and what it has to know of them. */
export interface ServedStores extends Pick<
  ServerOptions,
  'content' | 'sessions' | 'keptCuts' | 'state' | 'node' | 'memory' | 'lastSeen' | 'places' | 'ownDirectories'
> {
  /** For people: a path. */
  readonly shown: string;
  readonly tokens: TokenStore;
  closeContent(): Promise<void>;
  /** Of a store that is shared: resolves where a command has taken it for itself, so that this server has to end. */
  readonly lost?: Promise<CairnError>;
}
