/** The one table of scopes, and the rights that follow from them. */

/** What a push does to an existing entry. */
export type Existing = 'replaced' | 'kept' | 'renamed';

/** What one scope allows. */
interface ScopeTraits {
  /** Explanation for people, shown behind the name. */
  readonly says: string;
  /**
   * The right to push, and what a push does to an existing entry: it replaces it; it keeps it, and the new one is
   * refused; it keeps it, and the new one gets a name of its own.
   */
  readonly existing?: Existing;
  /** The right to learn names, sizes, times and modes. */
  readonly names?: true;
  /** The right to learn the contents of files, and so their digests, too. */
  readonly contents?: true;
}

/** Every scope, in the order of lists. */
export const SCOPE_TABLE = {
  read: { says: 'pull, and GET of files', names: true, contents: true },
  write: { says: 'push, and replace files', existing: 'replaced' },
  append: { says: 'push new files, and replace nothing', existing: 'kept' },
  drop: { says: 'push into a drop box: nothing is compared, and nothing replaced', existing: 'renamed' },
  list: { says: 'list directories', names: true },
  admin: { says: 'see and end the sessions and grants of others' },
} as const satisfies Record<string, ScopeTraits>;

/** A scope of {@link SCOPE_TABLE}. */
export type Scope = keyof typeof SCOPE_TABLE;
/** The names of all scopes. */
export const SCOPES = Object.keys(SCOPE_TABLE) as [Scope, ...Scope[]];
/** The scopes that together allow everything: `write` includes `append` and `drop`. */
export const FULL_SCOPES: readonly Scope[] = ['read', 'write', 'list', 'admin'];
/** The scopes that allow a push, the strongest first: each includes those after it. */
export const PUSH_SCOPES = ['write', 'append', 'drop'] as const satisfies readonly Scope[];
/** One of {@link PUSH_SCOPES}. */
export type PushScope = (typeof PUSH_SCOPES)[number];

/** The strongest scope for a push; undefined where there is none. */
export function pushScopeOf(scopes: readonly Scope[]): PushScope | undefined {
  return PUSH_SCOPES.find((scope) => scopes.includes(scope));
}

/** What pushes with these scopes do to existing entries; undefined where the scopes allow no push. */
export function existingOf(scopes: readonly Scope[]): Existing | undefined {
  const scope = pushScopeOf(scopes);
  return scope === undefined ? undefined : SCOPE_TABLE[scope].existing;
}

/** Whether a push may learn the names, sizes, times and modes at its target: never those in a drop box. */
export function mayCompare(scopes: readonly Scope[]): boolean {
  return existingOf(scopes) !== 'renamed' && scopes.some((scope) => traitsOf(scope).names === true);
}

/** Whether a push may learn digests of existing files, which can be enough to guess their content. */
export function mayHash(scopes: readonly Scope[]): boolean {
  return mayCompare(scopes) && scopes.some((scope) => traitsOf(scope).contents === true);
}

function traitsOf(scope: Scope): ScopeTraits {
  return SCOPE_TABLE[scope];
}
