/** The one wording in which all commands describe a token and its rights. */
import { printable } from './safe-path.ts';
import { momentText } from './moment-text.ts';

/** The facts that a message gives about a token, or about another credential. */
export interface AccessText {
  /** The server's name for it: `token:backup.…` for a kept token, `oidc:…`, and so on. */
  readonly id: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  /** Relative path to which it is confined; empty for everything. */
  readonly path: string;
  /** Null for one that never expires. */
  readonly expiresAtMs: number | null;
}

/** The random end of an id, by which tokens of the same name differ. */
const ID_END = /\.[A-Za-z0-9_-]{12}$/;

/** `token "backup"`; the id itself for other credentials. */
export function credentialName(id: string): string {
  if (!id.startsWith('token:')) return printable(id);
  return printable(`token "${id.slice('token:'.length).replace(ID_END, '')}"`);
}

/** `token "backup" of owner alice`. */
export function accessName({ id, owner }: Pick<AccessText, 'id' | 'owner'>): string {
  return `${credentialName(id)} of owner ${printable(owner)}`;
}

/** `at /backups and below`, or `everywhere`; as `--path` of `token create` takes it. */
export function accessPath(path: string): string {
  return path === '' ? 'everywhere' : printable(`at /${path} and below`);
}

/** `token "backup" of owner alice: write, list at /backups and below, until 2026-01-01 00:00:00`. */
export function accessSentence(access: AccessText): string {
  const { scopes, path, expiresAtMs } = access;
  const may = scopes.length === 0 ? 'nothing' : printable(scopes.join(', '));
  const until = expiresAtMs === null ? 'until it is revoked' : `until ${momentText(expiresAtMs)}`;
  return `${accessName(access)}: ${may} ${accessPath(path)}, ${until}`;
}
