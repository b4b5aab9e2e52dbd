/** `cairn serve`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, type CairnError, type ExitCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { shownCommand } from '../resume-command.ts';
import { newLocalSecret } from '../../wire/local-proof.ts';
import { jsonLine } from '../screen/json-line.ts';
import type { startServer } from '../../server/server.ts';
import { lockServed, refuseNetwork, usableRoot } from '../serve-locks.ts';
import { planServe, type ServePlan, type ServeWords } from '../serve-plan.ts';
import { watchedBy } from '../serve-watched.ts';
import { registerServer, type ServerRegistration } from '../server-registry.ts';
import { ensurePrivateDirectory, openStateHome } from '../state-home.ts';
import { watchSignals } from '../interruption.ts';
import { standFast } from '../serve-steadfast.ts';
import { openServeTls } from '../serve-tls.ts';
import { openServiceManager, type ServiceManager } from '../service-manager.ts';
import { VERSION } from '../version.ts';
import { ignoreFailedMessages, printAside } from '../output.ts';
import { openLog, type Log } from '../serve-log.ts';
import { show } from '../edge.ts';
import { failureOf } from '../failure.ts';

type Server = Awaited<ReturnType<typeof startServer>>;
type ServerOptions = Parameters<typeof startServer>[0];

/** Serves a directory until a signal ends it. */
export async function runServe(words: ServeWords): Promise<ExitCode> {
  const wanted = planServe(words);
  const { log, close } = await openLog(wanted);
  ignoreFailedMessages();
  try {
    await serveLocked(wanted, log);
    return EXIT.done;
  } catch (error) {
    return showFailure(error, log);
  } finally {
    await close();
  }
}

/**
 * People at a terminal get sentences, every other reader a line of the log. Standard output is for the line that says where the
 * server listens, and nothing else: what waits for it must not take a failure for a start.
 */
function showFailure(error: unknown, log: Log): ExitCode {
  const failure = failureOf(error, 'serve');
  if (process.stderr.isTTY) return show(failure);
  const { code, message, exitCode, lines } = failure;
  log.fatal({ code, exitCode, told: lines }, message);
  return exitCode;
}

async function serveLocked(wanted: ServePlan, log: Log): Promise<void> {
  const root = await usableRoot(wanted.root);
  const plan = { ...wanted, root };
  await refuseNetwork(plan);
  await ensurePrivateDirectory(plan.state);
  const locks = await lockServed(plan);
  try {
    await serve(plan, log, locks.lost);
  } finally {
    await locks.release();
  }
}

async function serve(plan: ServePlan, log: Log, lost: Promise<CairnError>): Promise<void> {
  const { root, state, listen, limits } = plan;
  const [
    { startServer: start },
    { openAccess },
    { openLocalDisk },
    { openLocalSessionStore },
    { openLastSeen },
  ] = await Promise.all([
    import('../../server/server.ts'),
    import('../serve-access.ts'),
    import('../../storage/disk/local-disk.ts'),
    import('../../storage/state/local-session-store.ts'),
    import('../../server/core/last-seen.ts'),
  ]);
  const manager = await openServiceManager(process.env, log);
  const secured = await openServeTls(plan.tls, log);
  const stopReloading = reloadOnSignal(manager, secured.reload);
  const { tokenFile, close, ...access } = await openAccess(plan, secured.authenticators, log);
  const onIncident = (incident: object): void => log.warn(incident, 'repaired');
  const keepOut = [state, join(state, 'sessions')];
  const content = await openLocalDisk(root, { staysReadable: true, keepOut, onIncident });
  const sessions = await openLocalSessionStore(join(state, 'sessions'), { onIncident });
  const lastSeen = await openLastSeen(state);
  const interruption = watchForEnd(plan, log);
  const yieldToFaults = standFast(log);
  const local = localEntry(plan, tokenFile, log);
  try {
    const server = await start({
      content,
      sessions,
      lastSeen,
      ...access,
      ...local.options,
      listen,
      tls: secured.tls,
      trustedProxies: plan.trustedProxies,
      version: VERSION,
      log,
      limits,
      ...(await watchedBy(plan)),
      ...wishesOf(plan),
    });
    announce(plan, server, tokenFile, log);
    manager.ready(`serving ${printable(root)} at ${server.url}`);
    const takenOver = await Promise.race([interruption.stopped, lost]);
    manager.stopping();
    await end(server, takenOver);
  } finally {
    await local.leave();
    close();
    interruption.dispose();
    yieldToFaults();
    stopReloading();
    secured.close();
    await content.close();
    manager.close();
  }
}

/** What was said about sessions; the server has defaults for the rest. */
function wishesOf({
  leaseMs,
  maxAgeMs,
  sync,
}: ServePlan): Pick<ServerOptions, 'leaseMs' | 'maxAgeMs' | 'sync'> {
  return {
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(sync === undefined ? {} : { sync }),
  };
}

/** Has files read again on SIGHUP; that the signal ends nothing is seen to in serve-steadfast.ts. */
function reloadOnSignal(manager: ServiceManager, reload: () => Promise<void>): () => void {
  const onSignal = (): void => void manager.reload(reload);
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

/** Ends in order; or at once, where another server has taken over: nothing here may be written any more. */
async function end(server: Server, takenOver: CairnError | undefined): Promise<void> {
  if (takenOver === undefined) return server.drain();
  await server.kill();
  throw takenOver;
}

/** Tells of the first signal that ends the server. */
function watchForEnd(plan: ServePlan, log: Log): { stopped: Promise<undefined>; dispose(): void } {
  let stopping: (() => void) | undefined;
  const stopped = new Promise<undefined>((done) => (stopping = () => done(undefined)));
  const { dispose } = watchSignals((name) => {
    log.info({ signal: name }, 'draining');
    if (isForPeople(plan))
      process.stderr.write('cairn: finishing what is under way (once more to stop at once)\n');
    stopping?.();
  });
  return { stopped, dispose };
}

/** How clients of the same user find this server: it is entered before its first answer, which they may be waiting for. */
function localEntry(
  { listen: { host }, tls }: ServePlan,
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

/** A server without a registration works; its clients only have to be given the token. */
async function register(registration: ServerRegistration, log: Log): Promise<() => Promise<void>> {
  try {
    return await registerServer(await openStateHome(), registration);
  } catch (error) {
    log.warn({ err: error }, 'clients of this user will not find the token by themselves');
    return async () => undefined;
  }
}

/** What a terminal shows beside the log; elsewhere all lines are of the log. */
function isForPeople({ json }: ServePlan): boolean {
  return !json && process.stderr.isTTY;
}

function announce(plan: ServePlan, server: Server, tokenFile: string, log: Log): void {
  const { url, metricsUrl } = server;
  log.info({ url, metricsUrl, root: plan.root, tokenFile }, 'serving');
  if (plan.json) {
    const listening = { type: 'listening', url, tokenFile };
    printAside(jsonLine(metricsUrl === undefined ? listening : { ...listening, metricsUrl }));
    return;
  }
  if (!isForPeople(plan)) return;
  const target = `${url.replace(/\/$/, '')}/DIRECTORY`;
  const lines = [
    `cairn: serving ${printable(plan.root)} at ${url}`,
    existsSync(tokenFile)
      ? `cairn: the access token is in ${printable(tokenFile)}`
      : 'cairn: the first access token was revoked; cairn token create makes another one',
    ...(metricsUrl === undefined ? [] : [`cairn: health and metrics are at ${metricsUrl}/metrics`]),
    `cairn: as this user on this machine, try: ${shownCommand(['cairn', 'push', 'DIRECTORY', target])}`,
    ...(plan.tls === undefined
      ? []
      : ['cairn: an authority of your own is named to clients by --tls-ca FILE']),
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}
