/** The permission bits that a receiver gives an entry: those of the sender, without unwanted ones. Pure. */
import { portableMode, type Entry, type EntryType } from './entry.ts';

/** Changes permission bits as `--chmod` asks. */
export type ModeChange = (type: EntryType, mode: number) => number;

/** How the receiver treats modes. */
export interface ReceiverModes {
  /** The bits that its user denies to new files. */
  readonly umask: number;
  /** Whether a mode could lock its user out of its own files: true for every user but root. */
  readonly ownerReads: boolean;
}

/** A receiver that keeps every mode as it was sent, such as one that stores modes as text. */
export const AS_SENT: ReceiverModes = { umask: 0, ownerReads: false };

/** The options of a transfer about modes. */
export interface ModeWishes {
  /** Keeps all bits of the sender against the umask. */
  readonly preserve?: boolean | undefined;
  /** Applied to the mode that the entry would get. */
  readonly change?: ModeChange | undefined;
  /** Whether the target existed before, and keeps the mode that its owner gave it. */
  readonly keepsTarget?: boolean | undefined;
}

/** Returns the mode for an entry; `foundMode` is that of the existing entry, undefined where there is none. */
export type ModeOf = (entry: Pick<Entry, 'type' | 'path' | 'mode'>, foundMode: number | undefined) => number;

const SET_GROUP = 0o2000;
const GROUP_AND_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
/** The bits that the owner needs to read a directory, and any other entry. */
const OWNER = { directory: 0o500, other: 0o400 } as const;

/**
 * Computes the mode of an entry.
 *
 * An entry that all users may write to is a risk on the receiver's machine that the sender cannot judge: where the
 * umask denies write to others, the entry loses write for all that the umask names. The set-group-id bit of a directory
 * decides the group of new files on the receiver's machine, so it stays as found there. `preserve` carries both.
 *
 * @param foundMode mode of the existing entry; undefined where there is none
 */
export function modeFor(
  { type, path, mode }: Pick<Entry, 'type' | 'path' | 'mode'>,
  foundMode: number | undefined,
  { umask, ownerReads }: ReceiverModes,
  { preserve = false, change, keepsTarget = false }: ModeWishes = {},
): number {
  if (type === 'symlink') return 0;
  if (keepsTarget && path === '' && type === 'directory' && foundMode !== undefined) return foundMode;
  let wanted = mode;
  if (!preserve) {
    if ((wanted & umask & OTHERS_WRITE) !== 0) wanted &= ~(umask & GROUP_AND_OTHERS_WRITE);
    if (type === 'directory') wanted = (wanted & ~SET_GROUP) | ((foundMode ?? 0) & SET_GROUP);
  }
  if (change !== undefined) wanted = portableMode(type, change(type, wanted));
  return ownerReads ? wanted | (type === 'directory' ? OWNER.directory : OWNER.other) : wanted;
}

/**
 * Whether the modes of an entry on both sides may come from one transfer, under any umask of the receiver, and with or
 * without an existing target.
 */
export function modesAgree(
  { type, path, mode }: Pick<Entry, 'type' | 'path' | 'mode'>,
  other: number,
): boolean {
  if (type === 'symlink' || (type === 'directory' && path === '')) return true;
  const isOpen = ((mode | other) & OTHERS_WRITE) !== 0;
  const uncertain =
    (isOpen ? GROUP_AND_OTHERS_WRITE : 0) |
    (type === 'directory' ? SET_GROUP | OWNER.directory : OWNER.other);
  return (mode | uncertain) === (other | uncertain);
}
