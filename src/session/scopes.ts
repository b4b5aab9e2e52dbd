/** What an authorization can allow: the one table of scopes, and what follows from having some of them. */

/** What becomes of what is at a path that something is pushed to. */
export type Existing = 'replaced' | 'kept' | 'renamed';

/** What one scope allows. */
interface ScopeTraits {
  /** For people, behind its name. */
  readonly says: string;
  /**
   * Pushing, and what it means for what is there: it is replaced; it is kept, and what came is refused; it is kept, and
   * what came gets a name of its own.
   */
  readonly existing?: Existing;
  /** Learning which names there are, with their sizes, times and modes. */
  readonly names?: true;
  /** Learning what is in files, and so the digests of them, too. */
  readonly contents?: true;
}

/** Every scope, in the order in which they are listed. */
export const SCOPE_TABLE = {
  read: { says: 'pull, and GET of files', names: true, contents: true },
  write: { says: 'push, and replace what is there', existing: 'replaced' },
  append: { says: 'push what is new, and replace nothing', existing: 'kept' },
  drop: { says: 'push into a drop box: nothing is compared, and nothing replaced', existing: 'renamed' },
  list: { says: 'list directories', names: true },
  admin: { says: 'see and end the sessions and grants of others' },
} as const satisfies Record<string, ScopeTraits>;

/** A scope of {@link SCOPE_TABLE}. */
export type Scope = keyof typeof SCOPE_TABLE;
/** The names of all scopes. */
export const SCOPES = Object.keys(SCOPE_TABLE) as [Scope, ...Scope[]];
/** The scopes of who may do everything: what `append` and `drop` allow, `write` allows, too. */
export const FULL_SCOPES: readonly Scope[] = ['read', 'write', 'list', 'admin'];
/** The scopes that allow to push, the one that allows most first: each allows what those after it do. */
export const PUSH_SCOPES = ['write', 'append', 'drop'] as const satisfies readonly Scope[];
/** One of {@link PUSH_SCOPES}. */
export type PushScope = (typeof PUSH_SCOPES)[number];

/** The strongest scope to push with; undefined where there is none. */
export function pushScopeOf(scopes: readonly Scope[]): PushScope | undefined {
  return PUSH_SCOPES.find((scope) => scopes.includes(scope));
}

/** What pushes with these scopes do to what is there; undefined where they do not push. */
export function existingOf(scopes: readonly Scope[]): Existing | undefined {
  const scope = pushScopeOf(scopes);
  return scope === undefined ? undefined : SCOPE_TABLE[scope].existing;
}

/** Whether a push may learn what is there by name, size, time and mode. Into a drop box nobody looks. */
export function mayCompare(scopes: readonly Scope[]): boolean {
  return existingOf(scopes) !== 'renamed' && scopes.some((scope) => traitsOf(scope).names === true);
}

/** Whether a push may learn what is in files that are there, of which a digest tells enough to guess it. */
export function mayHash(scopes: readonly Scope[]): boolean {
  return mayCompare(scopes) && scopes.some((scope) => traitsOf(scope).contents === true);
}

function traitsOf(scope: Scope): ScopeTraits {
  return SCOPE_TABLE[scope];
}
