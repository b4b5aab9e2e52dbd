/** Which permission bits a receiver gives an entry: those that were sent, less what its user did not ask for. Pure. */
import { portableMode, type Entry, type EntryType } from './entry.ts';

/** Changes permission bits as `--chmod` says. */
export type ModeChange = (type: EntryType, mode: number) => number;

/** What a receiver is like. */
export interface ReceiverModes {
  /** The bits that its user denies to what is made. */
  readonly umask: number;
  /** Whether its user could lose the way to what is its own: everybody could but root. */
  readonly ownerReads: boolean;
}

/** A receiver that gives every mode as it was sent, such as one that keeps them as text. */
export const AS_SENT: ReceiverModes = { umask: 0, ownerReads: false };

/** What a transfer wants of its receiver. */
export interface ModeWishes {
  /** Takes over all bits, whatever the umask says. */
  readonly preserve?: boolean | undefined;
  /** Made to what is taken over. */
  readonly change?: ModeChange | undefined;
  /** Whether the target was there before, and stays as its owner has made it. */
  readonly keepsTarget?: boolean | undefined;
}

/** The mode that an entry gets, where something of the mode `foundMode` is there or nothing is. */
export type ModeOf = (entry: Pick<Entry, 'type' | 'path' | 'mode'>, foundMode: number | undefined) => number;

const SET_GROUP = 0o2000;
const GROUP_AND_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
/** What the owner of a directory, and of anything else, has to be allowed so that it can be looked at. */
const OWNER = { directory: 0o500, other: 0o400 } as const;

/**
 * The mode that an entry gets.
 *
 * What everybody may write to is a risk on the receiver's machine that its sender cannot judge: where the umask there
 * denies that to others, write goes from all that the umask names. The set-group-id bit of a directory says which group
 * its new files get there; it stays as it is. Both come with `preserve`.
 *
 * @param foundMode of what is there; undefined where nothing is
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
 * Whether the modes of an entry at both ends may come from one transfer, whatever the umask of its receiver was, and
 * whether the target was there before.
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
