/** `cairn grant`: what its words mean together, and the run. */
import { existsSync } from 'node:fs';
import { formatBytes } from '../../../base/byte-text.ts';
import { createFileDurably } from '../../../base/durable-files.ts';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { momentText } from '../../../base/moment-text.ts';
import { printable } from '../../../base/safe-path.ts';
import type { ReachOptions } from '../../../client/api/reach.ts';
import type { PushScope } from '../../../session/scopes.ts';
import type { GrantInfo, GrantReply } from '../../../wire/grant-messages.ts';
import { SESSION_ID_PATTERN } from '../../../wire/messages.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { alignColumns } from '../../report/table.ts';
import type { GrantValues } from './grant-command.ts';

/** The settings of one `cairn grant`. */
export type GrantRequest = { readonly url: URL } & (
  | {
      readonly what: 'issue';
      readonly direction: 'push' | 'pull';
      /** Of a push. */
      readonly scope: PushScope | undefined;
      readonly expiresInMs: number;
      readonly maxBytes: number | undefined;
      /** Absolute path of a new file for the grant; undefined: to standard output. */
      readonly out: string | undefined;
    }
  | { readonly what: 'list' }
  | { readonly what: 'revoke'; readonly id: string }
);

/** What the holder of a grant may do, by its word in lists. */
const MAY = {
  push: 'push to',
  append: 'push new files to',
  drop: 'drop something into',
  pull: 'pull from',
} as const;
const HEADINGS = ['ID', 'STATE', 'MAY', 'PATH', 'EXPIRES', 'AT MOST'];

const EXAMPLE = 'cairn grant https://files.example.org/inbox/alice --push --expires 24h';
const DAY_MS = 86_400_000;

/** Issues a grant, lists those of the token's owner, or ends one. */
export async function runGrant(word: string, values: GrantValues): Promise<ExitCode> {
  const request = grantRequestOf(word, values);
  const { url } = request;
  if (request.what === 'issue' && request.out !== undefined && existsSync(request.out))
    throw usage(`the file "${request.out}" exists and is not replaced; name a new file`, '--out alice.grant');
  const client = { url, values, resumeCommand: ['cairn', 'grant', url.href] };
  await runClient(client, NO_LINES, (options) => carryOut(request, options, values.json));
  return EXIT.done;
}

async function carryOut(request: GrantRequest, options: ReachOptions, isJson: boolean): Promise<void> {
  const { listGrants, revokeGrant } = await import('../../../client/transfer-grants.ts');
  if (request.what === 'issue') return issue(request, options, isJson);
  if (request.what === 'revoke') {
    await revokeGrant(options, request.id);
    return printLines(
      isJson
        ? [jsonLine({ type: 'revoked', id: request.id }), doneLine({ grants: 1 })]
        : [`revoked ${request.id}\n`],
    );
  }
  const grants = await listGrants(options);
  printLines(isJson ? [...grants.map(grantLine), doneLine({ grants: grants.length })] : grantTable(grants));
}

/** None at all needs no standard output. */
function printLines(lines: readonly string[]): void {
  if (lines.length > 0) print(lines.join(''));
}

async function issue(
  { url, direction, scope, expiresInMs, maxBytes, out }: Extract<GrantRequest, { what: 'issue' }>,
  options: ReachOptions,
  isJson: boolean,
): Promise<void> {
  const { issueGrant, revokeGrant } = await import('../../../client/transfer-grants.ts');
  const limit = maxBytes === undefined ? {} : { maxBytes };
  const reply = await issueGrant(options, {
    direction,
    ...(scope === undefined ? {} : { scope }),
    expiresInMs,
    ...limit,
  });
  try {
    if (out !== undefined) await createFileDurably(out, `${reply.grant}\n`);
    printLines(issued(url, reply, out, isJson));
  } catch (error) {
    // The grant was never shown, so it is ended; the first error is the one that is told.
    await revokeGrant(options, reply.id).catch(() => undefined);
    throw error;
  }
}

function issued(url: URL, reply: GrantReply, out: string | undefined, isJson: boolean): readonly string[] {
  const { grant, ...info } = reply;
  if (isJson) {
    const where = out === undefined ? { grant } : { grantFile: out };
    return [jsonLine({ ...objectOf(info), url: url.href, ...where }), doneLine({ grants: 1 })];
  }
  const most = info.maxBytes === null ? '' : `, at most ${formatBytes(info.maxBytes)}`;
  const what = MAY[mayOf(info)];
  const where =
    out === undefined
      ? 'it follows, and is shown only this once'
      : `it is in the file ${printable(out)}; give that file to the person who will use it`;
  const lines = [
    `cairn: a client with this grant may ${what} ${printable(url.href)} until ${momentText(info.expiresAtMs)}${most}`,
    `cairn: ${where}; the client takes it as CAIRN_TOKEN or --token-file`,
    `cairn: to end it earlier: cairn grant --revoke ${info.id} ${printable(url.href)}`,
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
  return out === undefined ? [`${grant}\n`] : [];
}

function grantTable(grants: readonly GrantInfo[]): string[] {
  if (grants.length === 0) return ['no grants\n'];
  const rows = grants.map(({ id, state, target, expiresAtMs, maxBytes, ...info }) => [
    id,
    state,
    mayOf(info),
    printable(target),
    momentText(expiresAtMs),
    maxBytes === null ? '-' : formatBytes(maxBytes),
  ]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['PATH'] });
}

function mayOf({ direction, scopes = [] }: Pick<GrantInfo, 'direction' | 'scopes'>): keyof typeof MAY {
  if (direction === 'pull') return 'pull';
  return scopes.includes('append') ? 'append' : scopes.includes('drop') ? 'drop' : 'push';
}

function objectOf(info: GrantInfo): Record<string, unknown> {
  const { createdAtMs, expiresAtMs, ...rest } = info;
  const iso = (ms: number): string => new Date(ms).toISOString();
  return { type: 'grant', ...rest, createdAt: iso(createdAtMs), expiresAt: iso(expiresAtMs) };
}

function grantLine(info: GrantInfo): string {
  return jsonLine(objectOf(info));
}

/** Validates the words. @throws CairnError `usage`, what a URL that cannot be a target throws */
export function grantRequestOf(word: string, values: GrantValues): GrantRequest {
  const url = parseServerUrl(word);
  const { append, drop, pull, list, revoke, maxBytes } = values;
  // Each says that it is about a push, with or without the word.
  const push = values.push || append || drop;
  const asked = [push, pull, list, revoke !== undefined].filter(Boolean).length;
  if (asked !== 1 || (append && drop))
    throw usage('grant takes one of --push, --append, --drop, --pull, --list and --revoke', EXAMPLE);
  const scope = append ? 'append' : drop ? 'drop' : undefined;
  if (!push && !pull) {
    const surplus = (['expires', 'maxBytes', 'out'] as const).find((name) => values[name] !== undefined);
    if (surplus !== undefined)
      throw usage('--expires, --max-bytes and --out need --push, --append, --drop or --pull', EXAMPLE);
  }
  if (list) return { url, what: 'list' };
  if (revoke !== undefined) {
    if (SESSION_ID_PATTERN.test(revoke)) return { url, what: 'revoke', id: revoke };
    throw usage(`--revoke takes the id of a grant, not "${revoke}"`, `cairn grant --list ${url.origin}`);
  }
  if (maxBytes !== undefined && !push)
    throw usage('--max-bytes needs --push, --append or --drop', `${EXAMPLE} --max-bytes 10G`);
  const { expires: expiresInMs = DAY_MS, out } = values;
  return { url, what: 'issue', direction: push ? 'push' : 'pull', scope, expiresInMs, maxBytes, out };
}
