/** `cairn store copy`. */
import { realpath } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { CairnError, EXIT, storageError, systemCodeOf, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { isTerminal } from '../../../session/state.ts';
import { copyDocuments } from '../../../storage/copy/copy-documents.ts';
import { readMark, refuseUnfinished, writeMark } from '../../../storage/copy/copy-mark.ts';
import { copyObjects } from '../../../storage/copy/copy-objects.ts';
import { copyTree } from '../../../storage/copy/copy-tree.ts';
import type { Environment } from '../../access/user-directories.ts';
import type { StoreAddress } from '../../options/store-address.ts';
import { usage } from '../../options/usage.ts';
import { watchSignals } from '../../process/interruption.ts';
import { type CopyEnd, kindOfDirectory, openRootEnd, openStoreEnd } from './copy-ends.ts';
import { type CopyLines, createCopyLines, tellDone } from './copy-lines.ts';
import type { CopyValues } from './store-command.ts';

const EXAMPLE = 'cairn store copy /srv/files s3://files/cairn';

type Kind = 'root' | 'store';

/** Copies one store into another one. */
export async function runStoreCopy(fromWord: string, toWord: string, values: CopyValues): Promise<ExitCode> {
  const kinds = await kindsOf(fromWord, toWord, values);
  const isObjects = kinds.from === 'store' && kinds.to === 'store';
  const unit = isObjects ? 'objects' : 'entries';
  const lines = createCopyLines(values.json, unit);
  const { signal, dispose } = watchSignals(() => {
    process.stderr.write(
      'cairn: stopping; run the same command again to go on (once more to stop at once)\n',
    );
  });
  try {
    const from = await openFrom(fromWord, kinds.from, values);
    try {
      const to = await openTo(toWord, kinds.to, values);
      try {
        await copy(from, to, { lines, signal: AbortSignal.any([signal, from.signal, to.signal]) });
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
  } finally {
    dispose();
  }
  const isPartial = lines.totals.leftOut > 0;
  const exitCode = isPartial ? EXIT.partial : EXIT.done;
  tellDone(lines.totals, { isJson: values.json, unit, code: isPartial ? 'partial' : 'ok', exitCode });
  return exitCode;
}

async function kindsOf(
  fromWord: string,
  toWord: string,
  { as, state, s3Endpoint, s3Region, fromS3Endpoint, fromS3Region, fromS3Profile }: CopyValues,
): Promise<{ readonly from: Kind; readonly to: Kind }> {
  const of = async (word: string): Promise<Kind | 'empty'> =>
    isBucket(word) ? 'store' : kindOfDirectory(localPath(word));
  const [first, second] = [await of(fromWord), await of(toWord)];
  await refuseNested(fromWord, toWord);
  const from = first === 'empty' ? 'root' : first;
  const to = second === 'empty' ? (as ?? (from === 'root' ? 'store' : 'root')) : second;
  if (as !== undefined && as !== to) throw usage(`TO is a ${to} already, and cannot become a ${as}`, EXAMPLE);
  if (from === 'root' && to === 'root')
    throw usage(
      'store copy takes a store at one end at least; copy a root with cp -a, while its server is stopped',
      EXAMPLE,
    );
  if (state !== undefined && from === 'store' && to === 'store')
    throw usage('--state is that of a root, and neither FROM nor TO is one', EXAMPLE);
  const isOfFrom = (fromS3Endpoint ?? fromS3Region ?? fromS3Profile) !== undefined;
  if (isOfFrom && !isBucket(fromWord)) throw usage('the options --from-s3-… need a bucket as FROM', EXAMPLE);
  if ((s3Endpoint ?? s3Region) !== undefined && !isBucket(fromWord) && !isBucket(toWord))
    throw usage('--s3-endpoint and --s3-region need s3://BUCKET as FROM or TO', EXAMPLE);
  return { from, to };
}

/** A copy into its own source would find what it puts. @throws CairnError `usage` */
async function refuseNested(fromWord: string, toWord: string): Promise<void> {
  if (fromWord === toWord) throw usage('FROM and TO are the same', EXAMPLE);
  if (isBucket(fromWord) || isBucket(toWord)) return;
  const [from, to] = [await realPath(fromWord), await realPath(toWord)];
  if (from === to) throw usage('FROM and TO are the same directory', EXAMPLE);
  if (isInside(to, from)) throw usage(`TO, "${to}", lies inside of FROM, "${from}"`, EXAMPLE);
  if (isInside(from, to)) throw usage(`FROM, "${from}", lies inside of TO, "${to}"`, EXAMPLE);
}

function isInside(path: string, above: string): boolean {
  return relative(above, path).split(sep)[0] !== '..';
}

/** The path without links; one that leads to nothing stays as it is. */
async function realPath(word: string): Promise<string> {
  const path = resolve(word);
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return path;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

const isBucket = (word: string): boolean => word.startsWith('s3://');

function localPath(word: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(word))
    throw usage(`store copy takes directories and s3://BUCKET, not "${word}"`, EXAMPLE);
  return resolve(word);
}

function openFrom(word: string, kind: Kind, values: CopyValues): Promise<CopyEnd> {
  if (kind === 'root') return openRootEnd(word, { state: values.state, isNew: false });
  const { fromS3Endpoint, fromS3Region, fromS3Profile, s3Endpoint, s3Region } = values;
  const endpoint = fromS3Endpoint ?? s3Endpoint;
  const region = fromS3Region ?? s3Region;
  const env = fromS3Profile === undefined ? process.env : ofProfile(fromS3Profile);
  return openStoreEnd(addressOf(word, endpoint, region), env);
}

function openTo(word: string, kind: Kind, { state, s3Endpoint, s3Region }: CopyValues): Promise<CopyEnd> {
  return kind === 'root'
    ? openRootEnd(word, { state, isNew: true })
    : openStoreEnd(addressOf(word, s3Endpoint, s3Region), process.env);
}

function addressOf(word: string, endpoint: string | undefined, region: string | undefined): StoreAddress {
  return isBucket(word) ? { url: word, endpoint, region } : { directory: resolve(word) };
}

/** The environment without keys that would count before those of a profile. */
function ofProfile(profile: string): Environment {
  const {
    AWS_ACCESS_KEY_ID: _id,
    AWS_SECRET_ACCESS_KEY: _key,
    AWS_SESSION_TOKEN: _token,
    AWS_WEB_IDENTITY_TOKEN_FILE: _file,
    ...rest
  } = process.env;
  return { ...rest, AWS_PROFILE: profile };
}

async function copy(
  from: CopyEnd,
  to: CopyEnd,
  { lines, signal }: { readonly lines: CopyLines; readonly signal: AbortSignal },
): Promise<void> {
  let verifiedUntilMs = await checkTarget(from, to);
  const note = (isWhole: boolean): Promise<void> =>
    writeMark(to.state, { from: from.id, isWhole, verifiedUntilMs });
  await note(false);
  const { report } = lines;
  if (from.objects !== undefined && to.objects !== undefined) {
    const onVerified = async (untilMs: number): Promise<void> => {
      verifiedUntilMs = untilMs;
      await note(false);
    };
    await copyObjects(from.objects, to.objects, { verifiedUntilMs, onVerified, report, signal });
  } else {
    await copyTree(from.content, to.content, { report, signal });
    signal.throwIfAborted();
    await copyDocuments(from.state, to.state);
    for await (const record of from.sessions.list()) if (!isTerminal(record.state)) lines.sessionLeft(record);
  }
  signal.throwIfAborted();
  await note(true);
}

/** Refuses a target that is neither empty nor a copy of this source; answers up to when it has been read back. */
async function checkTarget(from: CopyEnd, to: CopyEnd): Promise<number> {
  await refuseUnfinished(from.state, from.shown);
  const mark = await readMark(to.state);
  if (mark === undefined ? await to.isEmpty() : mark.from === from.id) return mark?.verifiedUntilMs ?? 0;
  const message = `"${printable(to.shown)}" is not empty, and no copy of "${printable(from.shown)}"; name an empty directory, bucket or prefix`;
  throw new CairnError('already-exists', message);
}
