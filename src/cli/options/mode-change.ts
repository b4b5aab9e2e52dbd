/** `--chmod`, in the words of chmod(1) as rsync takes them: `Du=rwx,Dgo=rx,Fu=rw,Fgo=r`, `D755,F644`, `g+w,o-rwx,a+X`. */
import type { EntryType } from '../../manifest/entry.ts';
import type { ModeChange } from '../../manifest/modes.ts';
import { usage } from './usage.ts';

const OCTAL = /^([DF]?)([0-7]{3,4})$/;
const SYMBOLIC = /^([DF]?)([ugoa]*)((?:[-+=][rwxXst]*)+)$/;
const ACTION = /([-+=])([rwxXst]*)/g;
const ALL = 0o7777;
const STICKY = 0o1000;
const EXECUTE = 0o111;
const BITS = { r: 4, w: 2, x: 1, X: 1 } as const;
/** Each class: how far its bits are shifted, and the bit that `s` sets for it. */
const CLASSES = {
  u: { shift: 6, set: 0o4000 },
  g: { shift: 3, set: 0o2000 },
  o: { shift: 0, set: 0 },
} as const;
type Class = keyof typeof CLASSES;
const EXAMPLE = '--chmod=Du=rwx,Dgo=rx,Fu=rw,Fgo=r';

/** One item of the list. */
interface Step {
  /** Of directories alone, of all else alone, or of everything. */
  readonly of: 'D' | 'F' | '';
  /** @param executable whether a user may execute it, or it is a directory: that is what `X` asks */
  readonly apply: (mode: number, executable: boolean) => number;
}

/**
 * Parses lists of changes, which are made in their order. Without `u`, `g`, `o` or `a` the bits of the umask are left out.
 *
 * @throws CairnError `usage` that names what is not understood
 */
export function parseModeChange(name: string, words: readonly string[], umask: number): ModeChange {
  const steps = words.flatMap((word) => word.split(',')).map((item) => stepOf(name, item.trim(), umask));
  return (type: EntryType, mode: number): number => {
    if (type === 'symlink') return mode;
    const isDirectory = type === 'directory';
    const executable = isDirectory || (mode & EXECUTE) !== 0;
    let changed = mode;
    for (const { of, apply } of steps)
      if (of === '' || (of === 'D') === isDirectory) changed = apply(changed, executable);
    return changed;
  };
}

function stepOf(name: string, item: string, umask: number): Step {
  const octal = OCTAL.exec(item);
  if (octal !== null) {
    const mode = Number.parseInt(octal[2]!, 8);
    return { of: octal[1] as Step['of'], apply: () => mode };
  }
  const symbolic = SYMBOLIC.exec(item);
  if (symbolic === null)
    throw usage(
      `${name} takes changes such as D755, Fgo-w or a+X, with commas between, not "${item}"`,
      EXAMPLE,
    );
  const [, of, who, actions] = symbolic;
  const changes = [...actions!.matchAll(ACTION)].map(([, sign, what]) => changeOf(who!, sign!, what!, umask));
  return {
    of: of as Step['of'],
    apply: (mode, executable) => changes.reduce((changed, change) => change(changed, executable), mode),
  };
}

function changeOf(who: string, sign: string, what: string, umask: number): Step['apply'] {
  const classes = classesOf(who);
  let bits = 0;
  let onlyIfExecutable = 0;
  for (const letter of what) {
    for (const each of classes) {
      const { shift, set } = CLASSES[each];
      if (letter === 's') bits |= set;
      else if (letter === 'X') onlyIfExecutable |= BITS.X << shift;
      else if (letter !== 't') bits |= BITS[letter as keyof typeof BITS] << shift;
    }
    if (letter === 't') bits |= STICKY;
  }
  const allowed = who === '' ? ALL & ~umask : ALL;
  // As in rsync, = leaves the set-id bits that it does not name.
  const named = classes.reduce((mask, each) => mask | (0o7 << CLASSES[each].shift), bits & ~0o777);
  return (mode, executable) => {
    const wanted = (bits | (executable ? onlyIfExecutable : 0)) & allowed;
    if (sign === '+') return mode | wanted;
    if (sign === '-') return mode & ~((bits | onlyIfExecutable) & allowed);
    return (mode & ~named) | wanted;
  };
}

function classesOf(who: string): readonly Class[] {
  const all = Object.keys(CLASSES) as Class[];
  return who === '' || who.includes('a') ? all : all.filter((each) => who.includes(each));
}
