/**
 * The servers of this user on this machine, so that a client of the same user finds their tokens.
 * `<stateHome>/servers/HOST_PORT.json`, one file a server, readable by its owner only.
 */
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, removeTemporaries, replaceFileDurably } from '../../base/durable-files.ts';
import { storageError, systemCodeOf } from '../../base/errors.ts';
import {
  parseIdentity,
  systemInspector,
  type ProcessIdentity,
  type ProcessInspector,
} from '../../base/process-identity.ts';
import { isLoopbackHost } from '../../base/loopback.ts';
import { readIfThere } from '../../base/read-if-there.ts';

/** What a server says of itself. */
export interface ServerRegistration {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly tokenFile: string;
  /** Secret that it proves itself with, see `localProof`. */
  readonly key: string;
}

const ANY_ADDRESS = new Set(['0.0.0.0', '::']);
/** Servers share the directory; none of them takes so long to write its entry. */
const ABANDONED_AFTER_MS = 3_600_000;

function fileOf(stateHome: string, { host, port }: Pick<ServerRegistration, 'host' | 'port'>): string {
  return join(stateHome, 'servers', `${host.replaceAll(/[^A-Za-z0-9.-]/g, '-')}_${port}.json`);
}

/** How {@link registerServer} goes about it. */
export interface RegisterOptions {
  readonly inspect?: ProcessInspector;
}

/** Enters a server of this process, which listens; answers how to take it out again. @throws CairnError, storage codes */
export async function registerServer(
  stateHome: string,
  registration: ServerRegistration,
  options: RegisterOptions = {},
): Promise<() => Promise<void>> {
  const { inspect = systemInspector } = options;
  const path = fileOf(stateHome, registration);
  const self = inspect.self();
  const isOwn = (other: ProcessIdentity): boolean =>
    other.pid === self.pid && other.startTime === self.startTime;
  await makePrivateDirectory(join(stateHome, 'servers'));
  await removeTemporaries(join(stateHome, 'servers'), ABANDONED_AFTER_MS);
  await replaceFileDurably(path, `${JSON.stringify({ ...registration, ...self })}\n`, 0o600);
  return async () => {
    const current = await read(path);
    // Another server may have taken the port, and this name, meanwhile.
    if (current === undefined || !isOwn(current.identity)) return;
    await unlink(path).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `removing "${path}"`);
    });
  };
}

/**
 * The living servers of this user that have registered the port of a loopback URL; none for any other URL. A dead one's
 * entry does not count: another user may listen on its port by now. Nor does one say who listens there: ask for proof.
 */
export async function findServers(
  stateHome: string,
  url: URL,
  inspect: ProcessInspector = systemInspector,
): Promise<readonly ServerRegistration[]> {
  if (!isLoopbackHost(url.hostname)) return [];
  const port = url.port === '' ? defaultPort(url) : Number(url.port);
  const directory = join(stateHome, 'servers');
  const names = await readdir(directory).catch(() => []);
  const candidates = names.filter((name) => name.endsWith(`_${port}.json`));
  const found = await Promise.all(candidates.map((name) => read(join(directory, name))));
  return found
    .filter((entry) => entry !== undefined)
    .filter(({ registration }) => registration.port === port && isReachable(registration.host))
    .filter(({ identity }) => inspect.isAlive(identity))
    .map(({ registration }) => registration);
}

function defaultPort(url: URL): number {
  return url.protocol === 'https:' ? 443 : 80;
}

function isReachable(host: string): boolean {
  return isLoopbackHost(host) || ANY_ADDRESS.has(host);
}

async function read(
  path: string,
): Promise<{ registration: ServerRegistration; identity: ProcessIdentity } | undefined> {
  // What another user has put there names no server of this user.
  const text = (await readIfThere(path).catch(() => undefined))?.toString();
  const identity = text === undefined ? undefined : parseIdentity(text);
  if (text === undefined || identity === undefined) return undefined;
  const { host, port, url, tokenFile, key } = JSON.parse(text) as Record<string, unknown>;
  if (typeof host !== 'string' || typeof port !== 'number') return undefined;
  if (typeof url !== 'string' || typeof tokenFile !== 'string') return undefined;
  // An older server can prove nothing.
  if (typeof key !== 'string') return undefined;
  return { registration: { host, port, url, tokenFile, key }, identity };
}
