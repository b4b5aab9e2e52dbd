/** `cairn serve`. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, type CairnError, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { shownCommand } from '../../process/own-command.ts';
import { newLocalSecret } from '../../../wire/server-proof.ts';
import { jsonLine } from '../../report/json-line.ts';
import type { startServer } from '../../../server/server.ts';
import { usableRoot } from '../../access/served-directories.ts';
import { lockServed, refuseNetwork } from '../../access/served-locks.ts';
import type { ServeValues } from './serve-command.ts';
import { serveSettingsOf, type ServeSettings } from './serve-settings.ts';
import type { ServedStores } from './served-stores.ts';
import { registerServer, type ServerRegistration } from '../../access/server-registry.ts';
import { ensurePrivateDirectory, openStateHome } from '../../access/user-directories.ts';
import { watchSignals } from '../../process/interruption.ts';
import { standFast } from './steadfast.ts';
import { openServeTls } from './serve-tls.ts';
import { openServiceManager, type ServiceManager } from './service-manager.ts';
import { VERSION } from '../../process/cairn-version.ts';
import { ignoreFailedMessages, printAside } from '../../process/output.ts';
import { openLog, type Log } from './serve-log.ts';
import { tell } from '../../process/edge.ts';
import { failureOf } from '../../process/failure.ts';

type Server = Awaited<ReturnType<typeof startServer>>;
type ServerOptions = Parameters<typeof startServer>[0];

/** Serves a directory until a signal ends it. */
export async function runServe(values: ServeValues): Promise<ExitCode> {
  const wanted = serveSettingsOf(values);
  const { log, close } = await openLog(wanted);
  ignoreFailedMessages();
  // From now on, since a start may take seconds, and the first process of a container ignores what it does not handle.
  const ending = watchForEnd(wanted, log);
  const yieldToFaults = standFast(log);
  try {
    await serveServed(wanted, log, ending);
    return EXIT.done;
  } catch (error) {
    return showFailure(error, log);
  } finally {
    ending.dispose();
    yieldToFaults();
    await close();
  }
}

/**
 * People at a terminal get sentences, every other reader a line of the log. Standard output is for the line that says where the
 * server listens, and nothing else: what waits for it must not take a failure for a start.
 */
function showFailure(error: unknown, log: Log): ExitCode {
  const failure = failureOf(error, 'serve');
  const { code, message, exitCode, lines } = failure;
  if (process.stderr.isTTY) tell(failure);
  else log.fatal({ code, exitCode, told: lines }, message);
  return exitCode;
}

/** One server has a root for itself; a store is shared, and has no lock. */
async function serveServed(wanted: ServeSettings, log: Log, ending: Ending): Promise<void> {
  if ('store' in wanted) {
    const { openServedStore } = await import('./served-store.ts');
    const stores = await openServedStore(wanted, log);
    const { lost } = stores;
    const ends = { stopped: ending.stopped, ...(lost === undefined ? {} : { lost }) };
    await serveAndClose(wanted, stores, log, { ending, ends });
    return;
  }
  const settings = { ...wanted, root: await usableRoot(wanted.root) };
  await refuseNetwork(settings);
  await ensurePrivateDirectory(settings.state);
  const locks = await lockServed(settings);
  try {
    const { openServedRoot } = await import('./served-root.ts');
    const ends = { stopped: ending.stopped, lost: locks.lost };
    await serveAndClose(settings, await openServedRoot(settings, log), log, { ending, ends });
  } finally {
    await locks.release();
  }
}

async function serveAndClose(
  settings: ServeSettings,
  stores: ServedStores,
  log: Log,
  { ending, ends }: { readonly ending: Ending; readonly ends: Ends },
): Promise<void> {
  try {
    if (!ending.hasBegun()) await serve(settings, stores, log, ends);
  } finally {
    await stores.closeContent();
  }
}

async function serve(settings: ServeSettings, stores: ServedStores, log: Log, ends: Ends): Promise<void> {
  const { listen, limits } = settings;
  const [{ startServer: start }, { openAccess }, { openPrometheusMetrics }] = await Promise.all([
    import('../../../server/server.ts'),
    import('./serve-access.ts'),
    import('../../../server/operations/prometheus.ts'),
  ]);
  const manager = await openServiceManager(process.env, log);
  const secured = await openServeTls(settings.tls, log);
  const stopReloading = reloadOnSignal(manager, secured.reload);
  const { close, ...access } = await openAccess(stores.tokens, settings, secured.authenticators, log);
  const { shown, tokens, closeContent: _close, lost: _lost, ...served } = stores;
  const local = localEntry(settings, tokens.secretFile, log);
  try {
    const server = await start({
      ...served,
      ...access,
      ...local.options,
      listen,
      tls: secured.tls,
      trustedProxies: settings.trustedProxy,
      version: VERSION,
      log,
      limits,
      metrics: openPrometheusMetrics,
      ...wishesOf(settings),
    });
    announce(settings, stores, server, log);
    manager.ready(`serving ${printable(shown)} at ${server.url}`);
    const stopped = announcedEnd(ends.stopped, settings, () => {
      manager.stopping();
      server.announceEnd();
    });
    await end(server, { ...ends, stopped });
  } finally {
    await local.leave();
    close();
    stopReloading();
    secured.close();
    manager.close();
  }
}

/** Resolves some time after the first signal, when balancers send nothing new any more. */
async function announcedEnd(
  stopped: Promise<void>,
  { drainDelay }: Pick<ServeSettings, 'drainDelay'>,
  onBegin: () => void,
): Promise<void> {
  await stopped;
  onBegin();
  await sleep(drainDelay);
}

/** What was said about sessions and ports; the server has defaults for the rest. */
function wishesOf({
  sessionLease: leaseMs,
  sessionMaxAge: maxAgeMs,
  sync,
  allowOwners,
  metricsListen,
}: ServeSettings): Pick<ServerOptions, 'leaseMs' | 'maxAgeMs' | 'sync' | 'allowOwners' | 'metricsListen'> {
  return {
    allowOwners,
    ...(metricsListen === undefined ? {} : { metricsListen }),
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(sync === undefined ? {} : { sync }),
  };
}

/** Has files read again on SIGHUP; that the signal ends nothing is seen to in steadfast.ts. */
function reloadOnSignal(manager: ServiceManager, reload: () => Promise<void>): () => void {
  const onSignal = (): void => void manager.reload(reload);
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

/** What ends a server. */
interface Ends {
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
  /** Resolves when another server has taken over what only one may have. */
  readonly lost?: Promise<CairnError>;
}

/**
 * Waits for an end, and ends in order; or at once, where another server has taken over, also in the middle of an end in order:
 * this process may write nothing from then on.
 */
async function end(server: Server, { stopped, lost }: Ends): Promise<void> {
  const takenOver = await Promise.race([
    stopped.then(() => server.drain()),
    ...(lost === undefined ? [] : [lost]),
  ]);
  if (takenOver === undefined) return;
  await server.kill();
  throw takenOver;
}

/** The first signal that ends the server. */
interface Ending {
  readonly stopped: Promise<void>;
  hasBegun(): boolean;
  dispose(): void;
}

/** Watches for it. */
function watchForEnd(settings: ServeSettings, log: Log): Ending {
  let stopping: (() => void) | undefined;
  const stopped = new Promise<void>((done) => (stopping = done));
  const { signal, dispose } = watchSignals((name) => {
    log.info({ signal: name }, 'draining');
    if (isForPeople(settings))
      process.stderr.write('cairn: finishing the requests that run (once more to stop at once)\n');
    stopping?.();
  });
  return { stopped, hasBegun: () => signal.aborted, dispose };
}

/** How clients of the same user find this server: it is entered before its first answer, which they may be waiting for. */
function localEntry(
  { listen: { host }, tls }: ServeSettings,
  tokenFile: string,
  log: Log,
): { readonly options: Pick<ServerOptions, 'localKey' | 'onListening'>; leave(): Promise<void> } {
  const key = newLocalSecret();
  let leave: (() => Promise<void>) | undefined;
  const onListening: ServerOptions['onListening'] = async ({ address, port }) => {
    const url = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
    leave = await register({ host: address, port, url, tokenFile, key }, log);
  };
  return { options: { localKey: key, onListening }, leave: async () => leave?.() };
}

/** A server without a registration works; its clients only have to be given the token. One that is left over names a dead process. */
async function register(registration: ServerRegistration, log: Log): Promise<() => Promise<void>> {
  try {
    const leave = await registerServer(await openStateHome(), registration);
    return () =>
      leave().catch((err: unknown) =>
        log.warn({ err }, 'the registration of this server could not be removed'),
      );
  } catch (error) {
    log.warn(
      { err: error },
      'the server could not be registered: clients of this user need --token-file or CAIRN_TOKEN',
    );
    return async () => undefined;
  }
}

/** What a terminal shows beside the log; elsewhere all lines are of the log. */
function isForPeople({ json }: ServeSettings): boolean {
  return !json && process.stderr.isTTY;
}

function announce(
  settings: ServeSettings,
  { shown, tokens: { secretFile: tokenFile } }: ServedStores,
  server: Server,
  log: Log,
): void {
  const { url, metricsUrl } = server;
  const isShared = 'store' in settings;
  log.info({ url, metricsUrl, [isShared ? 'store' : 'root']: shown, tokenFile }, 'serving');
  if (settings.json) {
    const listening = { type: 'listening', url, tokenFile };
    printAside(jsonLine(metricsUrl === undefined ? listening : { ...listening, metricsUrl }));
    return;
  }
  if (!isForPeople(settings)) return;
  const target = `${url.replace(/\/$/, '')}/DIRECTORY`;
  const lines = [
    `cairn: serving ${printable(shown)} at ${url}`,
    tokenLine(tokenFile, isShared),
    ...(metricsUrl === undefined
      ? []
      : [`cairn: metrics are at ${metricsUrl}/metrics, health at ${metricsUrl}/healthz`]),
    `cairn: to push to it, as this user on this machine: ${shownCommand(['cairn', 'push', 'DIRECTORY', target])}`,
    ...(settings.tls === undefined
      ? []
      : ['cairn: clients trust an authority of your own with --tls-ca FILE']),
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}

function tokenLine(tokenFile: string, isShared: boolean): string {
  if (existsSync(tokenFile)) return `cairn: the access token is in ${printable(tokenFile)}`;
  const why = isShared
    ? 'the first access token was made by another server of this store, or revoked'
    : 'the first access token was revoked';
  return `cairn: ${why}; make another one with cairn token create`;
}
