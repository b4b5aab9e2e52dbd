/**
 * A tree on the wire and on disk: NDJSON that starts with the lines of a manifest, may have notices among them, and
 * ends with an end line. A stream without its end line was cut.
 *
 * `["w",code,path,message]` is a notice: an entry that the sender had to leave out. `["u",what,entries]` says how many entries
 * have something that is not carried; it stands anywhere, and only where the reader has asked for it. `["end",id]` is the end.
 */
import { createBreather } from '../base/breather.ts';
import { CairnError, isErrorCode, type ErrorCode } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import { encodeManifest, MAX_METADATA_LINE_BYTES, type Manifest } from '../manifest/manifest.ts';
import { UNCARRIED, type Uncarried, type UncarriedCounts } from '../manifest/metadata.ts';
import {
  createManifestReader,
  DEFAULT_MANIFEST_LIMITS,
  splitLines,
  type ManifestLimits,
} from '../manifest/manifest-reader.ts';

/** An entry that had to be left out, and why. */
export interface Notice {
  readonly code: ErrorCode;
  /** The path relative to the target, made printable. */
  readonly path: string;
  readonly message: string;
}

/** Most notices of a tree that are kept, and most characters of them; the reader drops more, up to `maxBytes`. */
const MAX_NOTICES = 100_000;
const MAX_NOTICE_CHARACTERS = 32 * 1024 * 1024;

/** The line of a notice, without its newline. */
export function encodeNotice(notice: Notice): string {
  return JSON.stringify(['w', notice.code, notice.path, notice.message]);
}

/** The end line, without its newline. */
export function encodeEnd(id: string): string {
  return JSON.stringify(['end', id]);
}

/** A line for each kind of what is not carried, each with its newline. */
export function encodeUncarried(uncarried: UncarriedCounts): string {
  return Array.from(uncarried, ([what, entries]) => `${JSON.stringify(['u', what, entries])}\n`).join('');
}

/** Encodes a whole tree, some hundred lines at a time. */
export function* encodeTree(manifest: Manifest, notices: readonly Notice[] = []): Generator<string> {
  yield* encodeManifest(manifest);
  yield encodeTail(manifest.id, notices);
}

/** The last lines of a tree: notices, and the end. */
export function encodeTail(id: string, notices: readonly Notice[]): string {
  return [...notices.map((notice) => encodeNotice(notice)), encodeEnd(id), ''].join('\n');
}

/**
 * Reads and checks a whole tree.
 *
 * @throws CairnError `manifest-invalid`, `manifest-too-large`, a path code, or `chunk-incomplete` for a cut stream
 */
export async function readTree(
  source: AsyncIterable<Uint8Array>,
  limits: ManifestLimits = DEFAULT_MANIFEST_LIMITS,
): Promise<{ manifest: Manifest; notices: Notice[]; uncarried: UncarriedCounts }> {
  const reader = createManifestReader(limits);
  const notices: Notice[] = [];
  const uncarried = new Map<Uncarried, number>();
  let noticeCharacters = 0;
  let end: string | undefined;
  const breathe = createBreather();
  for await (const lines of splitLines(source, MAX_METADATA_LINE_BYTES)) {
    // Lines that have arrived already would otherwise come without a turn of the event loop.
    await breathe();
    for (const line of lines) {
      if (end !== undefined) throw new CairnError('manifest-invalid', 'the tree goes on after its end');
      if (line.startsWith('["end",')) {
        end = line;
      } else if (line.startsWith('["w",')) {
        noticeCharacters += line.length + 1;
        if (noticeCharacters > limits.maxBytes) throw tooManyNotices(limits.maxBytes);
        if (notices.length < MAX_NOTICES && noticeCharacters <= MAX_NOTICE_CHARACTERS)
          notices.push(decodeNotice(line));
      } else if (line.startsWith('["u",')) {
        noticeCharacters += line.length + 1;
        if (noticeCharacters > limits.maxBytes) throw tooManyNotices(limits.maxBytes);
        const [what, entries] = decodeUncarried(line);
        if (what !== undefined) uncarried.set(what, entries);
      } else {
        reader.line(line);
      }
    }
  }
  if (end === undefined) throw new CairnError('chunk-incomplete', 'the tree was cut before its end');
  const manifest = reader.finish();
  if (end !== encodeEnd(manifest.id))
    throw new CairnError('manifest-invalid', 'the id of the tree is not that of its content');
  return { manifest, notices, uncarried };
}

/** Undefined for a kind that this side does not know. @throws CairnError `manifest-invalid` */
function decodeUncarried(line: string): [what: Uncarried | undefined, entries: number] {
  const [, what, entries, ...more] = jsonOf(line);
  if (!Number.isSafeInteger(entries) || (entries as number) < 1 || more.length > 0)
    throw new CairnError('manifest-invalid', 'a line about what is not carried has a wrong form');
  return [UNCARRIED.find((known) => known === what), entries as number];
}

/** Notices do not count as bytes of the tree; without a limit of their own the other side could send them for ever. */
function tooManyNotices(maxBytes: number): CairnError {
  return new CairnError(
    'manifest-too-large',
    `the tree has notices of more than ${maxBytes} bytes; split it into several transfers`,
  );
}

/** The notice of a line. @throws CairnError `manifest-invalid` */
export function decodeNotice(line: string): Notice {
  const [, code, path, message] = jsonOf(line);
  if (typeof code !== 'string' || typeof path !== 'string' || typeof message !== 'string') {
    throw new CairnError('manifest-invalid', 'a notice has a wrong form');
  }
  // A newer sender may know codes that this side does not; the entry is left out all the same.
  const known = isErrorCode(code) ? code : 'source-unsupported';
  return { code: known, path: printable(path), message: printable(message) };
}

/** The members of a line that begins as an array does. */
function jsonOf(line: string): readonly unknown[] {
  try {
    return JSON.parse(line) as readonly unknown[];
  } catch (error) {
    throw new CairnError('manifest-invalid', 'a line of the tree is no JSON', { cause: error });
  }
}
