/** The one way in which all commands speak of a token and what it allows. */
import { printable } from './safe-path.ts';
import { momentText } from './moment-text.ts';

/** What is said of a token, or of another credential that stands for the same. */
export interface AccessText {
  /** As a server calls it: `token:backup.…` for a kept token, `oidc:…`, and so on. */
  readonly id: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  /** Relative path that it is confined to; empty for everything. */
  readonly path: string;
  /** Null for one without an end. */
  readonly expiresAtMs: number | null;
}

/** What tells tokens of the same name apart: the end of an id. */
const ID_END = /\.[A-Za-z0-9_-]{12}$/;

/** `token "backup"`; what is no token is called by its id. */
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
