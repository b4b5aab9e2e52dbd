/** `cairn serve`. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, EXIT, storageError, systemCodeOf, type ExitCode } from '../../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../../base/process-lock.ts';
import { printable, RESERVED_NAME } from '../../base/safe-path.ts';
import { shownCommand } from '../resume-command.ts';
import { jsonLine } from '../screen/json-line.ts';
import type { startServer } from '../../server/server.ts';
import { planServe, type ServePlan, type ServeWords } from '../serve-plan.ts';
import { registerServer } from '../server-registry.ts';
import { ensurePrivateDirectory, openStateHome } from '../state-home.ts';
import { watchSignals } from '../interruption.ts';
import { VERSION } from '../version.ts';
import { shellWord } from '../words/shell.ts';
import { print } from '../output.ts';

type Server = Awaited<ReturnType<typeof startServer>>;
type Log = Awaited<ReturnType<typeof openLog>>;

/** Serves a directory until a signal ends it. */
export async function runServe(words: ServeWords): Promise<ExitCode> {
  const wanted = planServe(words);
  const root = await usableRoot(wanted.root);
  const plan = { ...wanted, root };
  await ensurePrivateDirectory(plan.state);
  const locks = await lockState(plan);
  try {
    await serve(plan, await openLog(plan));
  } finally {
    await Promise.all(locks.map((lock) => lock.release()));
  }
  return EXIT.done;
}

async function usableRoot(path: string): Promise<string> {
  const shown = `"${printable(path)}"`;
  const doing = `looking at the root ${shown}`;
  try {
    const root = await realpath(path);
    if (!(await stat(root)).isDirectory()) {
      throw new CairnError('not-directory', `the root ${shown} is not a directory`);
    }
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
    return root;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      throw new CairnError(
        'not-found',
        `the root ${shown} does not exist; make it first: mkdir -p ${shellWord(path)}`,
        {
          cause: error,
        },
      );
    }
    const wrapped = storageError(error, doing);
    if (wrapped.code !== 'storage-denied') throw wrapped;
    throw new CairnError('storage-denied', `the root ${shown} is not writable for this user`, {
      cause: error,
    });
  }
}

/** One server a state, and one server a root: what is staged lies in the root, also where the state does not. */
async function lockState({ state, root }: ServePlan): Promise<ProcessLock[]> {
  const reserved = await ensurePrivateDirectory(join(root, RESERVED_NAME));
  const directories = [...new Set([await realpath(state), await realpath(reserved)])];
  const locks: ProcessLock[] = [];
  try {
    for (const directory of directories) {
      // oxlint-disable-next-line no-await-in-loop -- in order, so that what was taken is given back
      locks.push(await acquireProcessLock(join(directory, 'lock'), { code: 'state-locked' }));
    }
  } catch (error) {
    await Promise.all(locks.map((lock) => lock.release()));
    if (!(error instanceof CairnError) || error.code !== 'state-locked') throw error;
    const pid = error.details['pid'];
    const who = pid === undefined ? 'another server' : `another server (process ${String(pid)})`;
    const message = `${who} already serves "${printable(root)}" or uses its state; stop it, or serve another root`;
    throw new CairnError('state-locked', message, { cause: error, details: error.details });
  }
  return locks;
}

async function openLog({ logLevel }: ServePlan) {
  // The default export: bundled CommonJS has no named ones for import().
  const { default: pino } = await import('pino');
  // On a terminal the lines for people are enough, unless more was asked for.
  const level = logLevel ?? (process.stderr.isTTY ? 'warn' : 'info');
  return pino({ level, base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
}

async function serve(plan: ServePlan, log: Log): Promise<void> {
  const { root, state, listen, leaseMs } = plan;
  const [{ startServer: start }, { openAccessTokens }, { openLocalDisk }, { openLocalSessionStore }] =
    await Promise.all([
      import('../../server/server.ts'),
      import('../../server/access-tokens.ts'),
      import('../../storage/local-disk/local-disk.ts'),
      import('../../storage/local-session-store.ts'),
    ]);
  const tokens = await openAccessTokens(state);
  const content = await openLocalDisk(root, {
    onIncident: (message) => log.warn({ root }, message),
  });
  const sessions = await openLocalSessionStore(join(state, 'sessions'));
  let stopping: (() => void) | undefined;
  const stopped = new Promise<void>((done) => (stopping = done));
  const interruption = watchSignals((name) => {
    log.info({ signal: name }, 'draining');
    if (!plan.json) process.stderr.write('cairn: finishing what is under way (once more to stop at once)\n');
    stopping?.();
  });
  // Before the first connection, or a client that waits for this server would ask without its token.
  let unregister = listen.port === 0 ? undefined : await register(listen, tokens.tokenFile, log, true);
  try {
    const lease = leaseMs === undefined ? {} : { leaseMs };
    const server = await start({ content, sessions, tokens, listen, version: VERSION, log, ...lease });
    unregister = await register({ ...listen, port: server.port }, tokens.tokenFile, log, false);
    announce(plan, server, tokens.tokenFile);
    await stopped;
    await server.drain();
  } finally {
    await unregister?.();
    interruption.dispose();
    await content.close();
  }
}

/** A server without a registration works; its clients only have to be given the token. */
async function register(
  { host, port }: ServePlan['listen'],
  tokenFile: string,
  log: Log,
  yieldToLiving: boolean,
): Promise<() => Promise<void>> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  try {
    return await registerServer(await openStateHome(), { host, port, url, tokenFile }, { yieldToLiving });
  } catch (error) {
    log.warn({ err: error }, 'clients of this user will not find the token by themselves');
    return async () => undefined;
  }
}

function announce(plan: ServePlan, server: Server, tokenFile: string): void {
  const { url } = server;
  if (plan.json) {
    print(jsonLine({ type: 'listening', url, tokenFile }));
    return;
  }
  const target = `${url.replace(/\/$/, '')}/DIRECTORY`;
  const lines = [
    `cairn: serving ${printable(plan.root)} at ${url}`,
    `cairn: the access token is in ${printable(tokenFile)}`,
    `cairn: as this user on this machine, try: ${shownCommand(['cairn', 'push', 'DIRECTORY', target])}`,
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}
