/** Access tokens as a table, as sentences, and as objects. Never their secrets, nor the hashes of these. */
import { accessSentence } from '../../../base/access-text.ts';
import { momentText } from '../../../base/moment-text.ts';
import { printable } from '../../../base/safe-path.ts';
import type { KeptToken } from '../../../server/access/kept-token.ts';
import type { Used } from '../../../server/core/quota/quota.ts';
import { alignColumns } from '../../report/table.ts';
import { formatBytes } from '../../../base/byte-text.ts';

const HEADINGS = ['NAME', 'OWNER', 'SCOPES', 'PATH', 'EXPIRES', 'UNFINISHED', 'PUSHED'];

/** One line a token, columns aligned. */
export function tokenTable(
  tokens: readonly KeptToken[],
  useOf: (token: KeptToken) => Used,
  nowMs: number,
): string[] {
  if (tokens.length === 0) return ['no access tokens\n'];
  const rows = tokens.map((token) => cellsOf(token, useOf(token), nowMs));
  return alignColumns([HEADINGS, ...rows], { flexible: ['OWNER', 'PATH'] });
}

function cellsOf(token: KeptToken, use: Used, nowMs: number): string[] {
  const { name, principal, scopes, path, quota = {} } = token;
  const pushed = use.publishedBytes + use.comingBytes;
  return [
    printable(name),
    printable(principal),
    scopes.join(','),
    printable(`/${path}`),
    expiryText(token, nowMs),
    quota.sessions === undefined ? `${use.sessions}` : `${use.sessions} of ${quota.sessions}`,
    // Without a quota nothing is counted.
    quota.bytes === undefined ? '-' : `${formatBytes(pushed)} of ${formatBytes(quota.bytes)}`,
  ];
}

function isExpired({ expiresAt }: KeptToken, nowMs: number): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= nowMs;
}

function expiryText(token: KeptToken, nowMs: number): string {
  if (token.expiresAt === undefined) return 'never';
  return isExpired(token, nowMs) ? 'expired' : momentText(Date.parse(token.expiresAt));
}

/** The sentence of {@link accessSentence} for a token that is kept. */
export function tokenSentence({ id, principal, scopes, path, expiresAt }: KeptToken): string {
  const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt);
  return accessSentence({ id: `token:${id}`, owner: principal, scopes, path, expiresAtMs });
}

function useObject(use: Used, isCounted: boolean): Record<string, unknown> {
  const { sessions, publishedBytes, comingBytes } = use;
  return { sessions, bytes: isCounted ? publishedBytes + comingBytes : null };
}

/** The line of `--json`; `use` is undefined for a new one. */
export function tokenObject(token: KeptToken, use: Used | undefined, nowMs: number): Record<string, unknown> {
  const { name, principal, scopes, path, createdAt, expiresAt = null, quota = {} } = token;
  return {
    type: 'token',
    name,
    owner: principal,
    scopes,
    path: `/${path}`,
    createdAt,
    expiresAt,
    expired: isExpired(token, nowMs),
    quota: { bytes: quota.bytes ?? null, sessions: quota.sessions ?? null },
    ...(use === undefined ? {} : { use: useObject(use, quota.bytes !== undefined) }),
  };
}
