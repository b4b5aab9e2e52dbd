/** `cairn doctor`: looks at everything that goes wrong in practice between this machine and a server. */
import type { ReachOptions } from '../api/reach.ts';
import type { WhoAmI } from '../../wire/admin-messages.ts';
import { DEFAULT_ANSWER_PACE } from '../http/answer-pace.ts';
import { shownProxy } from '../http/proxy.ts';
import type { Server } from '../http/server-calls.ts';
import { openContext, type TransferContext } from '../transfer/transfer-context.ts';
import { checkAddress } from './check-address.ts';
import { checkBodySize } from './check-body-size.ts';
import { checkCertificate } from './check-certificate.ts';
import { ok, warning, type Finding } from './finding.ts';
import { checkChannels, checkConnections } from './check-connections.ts';
import { checkNodes } from './check-nodes.ts';
import { lookElsewhere } from './check-prefix.ts';
import { checkGreeting } from './check-greeting.ts';
import { checkDownload, checkUpload } from './check-pace.ts';
import { checkSilence } from './check-silence.ts';
import { fetchWhoAmI, judgeSpace, judgeToken } from './check-token.ts';
import { withinLimit } from './check-time-limit.ts';
import { checkVolume } from './check-volume.ts';

/** What to look at. */
export interface DoctorOptions extends Omit<ReachOptions, 'retryForMs' | 'report'> {
  /** How long the server is silent to see whether that cuts the connection, in milliseconds. */
  readonly silentMs: number;
  /** Whether 64 MiB may be sent to see whether one connection carries them. */
  readonly isThorough: boolean;
  /** Whether the token is of a login that gets a new one by itself. */
  readonly isRenewed: boolean;
  /** Told each finding as soon as it is there. */
  readonly onFinding: (finding: Finding) => void;
}

/** Tells findings; false where one of them is a problem. */
type Tell = (findings: readonly Finding[]) => boolean;

/** Within these times, in milliseconds, each check says something. */
const LIMIT_MS = { usual: 15_000, body: 60_000, volume: 90_000, beyondSilence: 15_000 } as const;

/**
 * Runs the checks that make sense one after another; where one fails that others stand on, those are left out.
 *
 * @throws the signal's reason
 */
export async function diagnose(options: DoctorOptions): Promise<void> {
  const { signal } = options;
  const tell: Tell = (findings) => {
    for (const finding of findings) options.onFinding(finding);
    return findings.every(({ level }) => level !== 'problem');
  };
  if (!(await lookAtWay(options, tell))) return;
  let context: TransferContext | undefined;
  const find = async (limit: AbortSignal): Promise<readonly Finding[]> => {
    // Longer than the longest silence that is asked for: this side must not be the one that gives up.
    const silenceMs = silenceOf(options);
    const pace = { ...DEFAULT_ANSWER_PACE, headersMs: silenceMs };
    context = await openContext({ ...options, ...ONE_TRY, silenceMs, pace, signal: limit });
    return [];
  };
  try {
    const found = await withinLimit('server', LIMIT_MS.usual, signal, find);
    const isFound = tell(found.length === 0 ? found : await lookFurther(options, found));
    if (isFound && context !== undefined) await lookAtServer(context.server, options, tell);
  } finally {
    await context?.close();
  }
}

function lookFurther(options: DoctorOptions, found: readonly Finding[]): Promise<readonly Finding[]> {
  const all = { ...options, ...ONE_TRY };
  return withinLimit('server', LIMIT_MS.usual, options.signal, (signal) =>
    lookElsewhere({ ...all, signal }, found),
  );
}

/** A check says what is wrong now: nothing is tried again. */
const ONE_TRY = { retryForMs: 0, parallel: 4, report: () => undefined } as const;

/** Whether the host and its certificate are fit for a connection, as far as they can be seen from here. */
async function lookAtWay(options: DoctorOptions, tell: Tell): Promise<boolean> {
  const { url, signal, proxy, tls } = options;
  if (proxy !== undefined) {
    // It looks the name up and connects; and TLS is spoken through it, which the greeting shows.
    return tell([ok('address', `connections go through ${shownProxy(proxy)}, which the environment names`)]);
  }
  if (!tell(await withinLimit('address', LIMIT_MS.usual, signal, () => checkAddress(url)))) return false;
  if (url.protocol !== 'https:') return true;
  const look = async (): Promise<readonly Finding[]> => checkCertificate(url, await tls?.());
  return tell(await withinLimit('certificate', LIMIT_MS.usual, signal, look));
}

function silenceOf({ silentMs }: DoctorOptions): number {
  return silentMs + LIMIT_MS.beyondSilence;
}

async function lookAtServer(server: Server, options: DoctorOptions, tell: Tell): Promise<void> {
  const { signal, silentMs } = options;
  const usual = LIMIT_MS.usual;
  if (!tell(await withinLimit('server', usual, signal, (limit) => checkGreeting(server, limit)))) return;
  let who: WhoAmI | undefined;
  const ask = async (limit: AbortSignal): Promise<readonly Finding[]> => {
    who = await fetchWhoAmI(server, limit);
    return who === undefined
      ? [TOO_OLD]
      : [judgeToken(who, server.target, options.isRenewed), ...judgeSpace(who)];
  };
  tell(await withinLimit('token', usual, signal, ask));
  // A client that is not let in learns no more by probes, nor does one of a server without these routes.
  if (who === undefined) return;
  tell(await withinLimit('nodes', usual, signal, (limit) => checkNodes(server, limit)));
  const silence = withinLimit('silence', silenceOf(options), signal, (limit) =>
    checkSilence(server, silentMs, limit),
  );
  silence.catch(() => undefined); // told below, if nothing else comes first
  tell(await withinLimit('upload', usual, signal, (limit) => checkUpload(server, limit)));
  tell(await withinLimit('body-size', LIMIT_MS.body, signal, (limit) => checkBodySize(server, limit)));
  tell(await withinLimit('download', usual, signal, (limit) => checkDownload(server, limit)));
  await lookAtConnections(server, options, tell);
  if (options.proxy === undefined)
    tell(await withinLimit('channels', usual, signal, (limit) => checkChannels(server, limit)));
  tell(await silence);
}

async function lookAtConnections(
  server: Server,
  { signal, isThorough }: DoctorOptions,
  tell: Tell,
): Promise<void> {
  const found = await withinLimit('connections', LIMIT_MS.usual, signal, (limit) =>
    checkConnections(server, limit),
  );
  tell(found);
  // What closes each connection tells nothing of how much one carries.
  const isKept = found.every(({ level }) => level === 'ok');
  if (!isThorough || !isKept) return;
  tell(await withinLimit('connections', LIMIT_MS.volume, signal, (limit) => checkVolume(server, limit)));
}

const TOO_OLD: Finding = warning(
  'token',
  'the server is too old to describe a token and to answer probes',
  'update the server',
);
