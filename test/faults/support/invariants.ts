/** What holds after every fault. Each check throws a {@link Violation}. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';
import { sameDigest } from '../../../src/manifest/digest.ts';
import type { CliResult } from '../../support/cli.ts';
import { pictureOf } from '../../support/trees.ts';
import { clientCheckpoints, stagedCheckpoints, wrongChunks } from './checkpoints.ts';
import { Violation } from './violation.ts';

/** A file, or undefined where none is. */
export function contentOf(file: string): Buffer | undefined {
  return whatIsThere(() => [readFileSync(file)])[0];
}

/**
 * A final path holds what was there before (perhaps nothing) or what was to come, whole.
 *
 * @returns which of the two
 */
export function checkOldOrNew(file: string, old: Buffer | undefined, fresh: Buffer): 'old' | 'new' {
  const found = contentOf(file);
  if (found !== undefined && found.equals(fresh)) return 'new';
  if (found === undefined ? old === undefined : old !== undefined && found.equals(old)) return 'old';
  throw new Violation(
    'mixture',
    `"${file}" is neither the old file nor the new one (${found?.length} bytes)`,
  );
}

/** Every file of a tree below `fresh` is at `target` old or new. Directories, links and times are not looked at. */
export function checkTreeOldOrNew(target: string, oldTree: string | undefined, freshTree: string): void {
  for (const relative of filesBelow(freshTree)) {
    const old = oldTree === undefined ? undefined : contentOf(path.join(oldTree, relative));
    checkOldOrNew(path.join(target, relative), old, readFileSync(path.join(freshTree, relative)));
  }
}

/** Files of a tree, relative to it. A server may remove what it has staged meanwhile: what is gone by then is not there. */
function filesBelow(root: string, folder = ''): string[] {
  return whatIsThere(() => readdirSync(path.join(root, folder), { withFileTypes: true })).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(root, name);
    return entry.isFile() ? [name] : [];
  });
}

/** What `look` finds; nothing where it is gone by then. */
export function whatIsThere<T>(look: () => T[]): T[] {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Two trees are the same in type, mode, mtime, link target and bytes: what exit 0 promises. */
export function checkSameTree(source: string, target: string): void {
  const [wanted, found] = [pictureOf(source), pictureOf(target)];
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    if (wanted[name] === found[name]) continue;
    throw new Violation(
      'false-success',
      `"${name}" is ${found[name] ?? 'missing'} and should be ${wanted[name] ?? 'absent'}`,
    );
  }
}

/** How a client ended, and whether it left a record of a transfer; undefined of what is no transfer. */
export type Told = CliResult & { readonly hasRecord?: boolean | undefined };

/** Exit 0 says that the bytes are there; anything else must not say so. */
export function checkExit(result: CliResult, isThere: () => boolean): void {
  if (result.exitCode === 0 && !isThere())
    throw new Violation('false-success', `exit 0, but:\n${result.stderr}`);
}

/** A failed command names what happened, in its last JSON line as well, what is kept, and what to do next. */
export function checkToldError(result: Told, exitCodes: readonly number[]): void {
  const { exitCode, signal, stderr, last } = result;
  const isWanted = exitCode !== null && exitCodes.includes(exitCode);
  const isTold =
    last['type'] === 'error'
      ? last['exitCode'] === exitCode && String(last['message']) !== ''
      : stderr !== '';
  const isAdvised = !needsAdvice(result) || (KEPT.test(stderr) && NEXT.test(stderr));
  if (!isWanted || !isTold || !isAdvised)
    throw new Violation(
      'unclear',
      `exit ${exitCode ?? signal} (wanted ${exitCodes.join(' or ')}): ${JSON.stringify(last)}\n${stderr}`,
    );
}

/** Integrity, taken over, storage, session gone, and what only a newer cairn can read. */
function needsAdvice({ exitCode, last, hasRecord }: Told): boolean {
  // Where nothing was begun nothing is kept, and the message says all.
  if (exitCode === 9 && hasRecord === false) return false;
  return [7, 8, 9, 10].includes(exitCode ?? 0) || last['code'] === 'journal-version';
}

const KEPT = /\bkept\b|stays as it was|nothing was changed/;
const NEXT =
  /run the same command (again|to go on)|wait for it to end|stop it, or serve|serve with that one|start the server again/;

/**
 * Every chunk that a checkpoint claims is there with the right bytes: in the receiver's staging, below `root`.
 *
 * @param onMissingJournal the staging of a finished session is gone with its claims
 */
export async function checkClaims(root: string): Promise<void> {
  for (const checkpoint of await stagedCheckpoints(root)) {
    const wrong = await wrongChunks(checkpoint);
    if (wrong.length === 0) continue;
    const bytes = wrong.reduce((sum, chunk) => sum + checkpoint.transfer.layout.chunkLengthBytes(chunk), 0);
    throw new Violation(
      'lost',
      `chunks ${wrong.slice(0, 20).join(', ')} in "${checkpoint.folder}" are claimed and not there`,
      bytes,
    );
  }
}

/**
 * What the client of a push wrote down as durable at the server is in the server's checkpoint, with the same digest.
 * Call it while neither runs, and only while the transfer is unfinished.
 */
export async function checkAcknowledged(clientHome: string, serverRoot: string): Promise<number> {
  const staged = await stagedCheckpoints(serverRoot);
  let acknowledgedBytes = 0;
  for (const { digests, manifestId } of clientCheckpoints(clientHome)) {
    if (digests.chunks.size === 0) continue;
    const [server, ...more] = staged.filter(({ transfer }) => transfer.manifest.id === manifestId);
    if (server === undefined)
      throw new Violation('lost', 'the server has no staging for what it acknowledged', digests.chunks.size);
    for (const chunk of digests.chunks.copy().values()) {
      const there = [server, ...more].map(({ state }) => state.digests.get(chunk));
      const lengthBytes = server.transfer.layout.chunkLengthBytes(chunk);
      if (!there.some((digest) => digest !== undefined && sameDigest(digest, digests.get(chunk)!)))
        throw new Violation(
          'lost',
          `chunk ${chunk} was acknowledged, and the server does not know it`,
          lengthBytes,
        );
      acknowledgedBytes += lengthBytes;
    }
  }
  return acknowledgedBytes;
}

/** A transfer that is over leaves no staging, no record of a client, and nothing else below `.cairn`. */
export function checkNothingLeft(options: {
  serverRoot: string | undefined;
  clientHome: string;
  destination?: string;
}): void {
  const left = [
    ...(options.serverRoot === undefined ? [] : list(path.join(options.serverRoot, '.cairn/staging'))),
    ...list(path.join(options.clientHome, 'transfers')),
    ...(options.destination === undefined ? [] : list(path.join(options.destination, '.cairn/staging'))),
  ];
  if (left.length > 0) throw new Violation('leak', `left behind: ${left.join(', ')}`);
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => path.join(directory, name)) : [];
}

/** Open descriptors of a process, by what they are. */
export function openDescriptors(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(path.join(directory, fd))];
    } catch {
      return []; // closed since it was listed
    }
  });
}

/** What a server with nothing to do has open below its root, once each: what it reserves, its lease and its lock. */
const IDLE = /^(\/\.cairn(\/(sessions|staging|lease|lock(\/lock)?[\w.-]*( \(deleted\))?))?)?$/;

/** Descriptors for files below `root` are closed again; connections may stay for a while. */
export function checkDescriptors(pid: number, root: string): void {
  const open = openDescriptors(pid).filter((target) => target === root || target.startsWith(`${root}/`));
  const left = open.filter(
    (target, at) => open.indexOf(target) !== at || !IDLE.test(target.slice(root.length)),
  );
  if (left.length > 0) throw new Violation('leak', `open descriptors: ${left.join(', ')}`);
}

/** None of the texts names a secret, and no file below the directories that has one is readable by others. */
export function checkSecrets(
  secrets: readonly string[],
  texts: readonly string[],
  directories: readonly string[],
): void {
  for (const secret of secrets) {
    if (texts.some((text) => text.includes(secret)))
      throw new Violation('secret', 'a secret was written to a log');
    for (const directory of directories) {
      for (const file of filesBelow(directory)) {
        const full = path.join(directory, file);
        const [stat] = whatIsThere(() => [statSync(full)]);
        const isPrivate = stat === undefined || (stat.mode & 0o077) === 0 || isBelowPrivate(directory, file);
        if (!isPrivate && contentOf(full)?.includes(secret) === true)
          throw new Violation('secret', `"${full}" is readable by others`);
      }
    }
  }
}

/** 256 random bits in base64url, by themselves: ids have 22 characters, digests are hexadecimal. */
const CREDENTIAL = /(?<![\w-])[\w-]{43}(?![\w-])/g;

/** No text has anything that looks like the credential of a session, or like a token of anybody. */
export function checkNoCredentials(texts: readonly string[]): void {
  for (const text of texts) {
    // All of one case would be a miracle in a secret, and is usual in a name.
    const found = text.match(CREDENTIAL)?.find((word) => /[A-Z]/.test(word) && /[a-z]/.test(word));
    if (found !== undefined)
      throw new Violation('secret', `a log has what looks like a credential: ${found.slice(0, 6)}…`);
  }
}

function isBelowPrivate(directory: string, file: string): boolean {
  for (let at = path.dirname(file); ; at = path.dirname(at)) {
    const stat = statSync(path.join(directory, at), { throwIfNoEntry: false });
    if (stat === undefined || (stat.mode & 0o077) === 0) return true;
    if (at === '.') return false;
  }
}
