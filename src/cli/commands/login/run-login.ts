/** `cairn login`. */
import { CairnError, EXIT, type ExitCode } from '../../../base/errors.ts';
import { parseIssuerUrl } from '../../../base/issuer-url.ts';
import { printable } from '../../../base/safe-path.ts';
import { isLoopbackHost } from '../../../base/loopback.ts';
import { proxyFor } from '../../../client/http/proxy.ts';
import type { LoginOffer } from '../../../wire/messages.ts';
import { clientTls, issuerFetchIn } from '../../access/client-tls.ts';
import { watchSignals } from '../../process/interruption.ts';
import { lockLogin, loginFileOf, readLogin, writeLogin, type Login } from '../../access/credentials.ts';
import type { DevicePrompt } from './device-flow.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import { isScope, type LoginValues } from './login-commands.ts';

/** The issuer that is asked, and the tokens that it is asked for. */
interface LoginRequest {
  readonly origin: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string | undefined;
  readonly scopes: readonly string[];
}

const DEFAULT_SCOPES = ['openid', 'offline_access'];

/** Logs in at the issuer of a server, and keeps the tokens for it. */
export async function runLogin(word: string, values: LoginValues): Promise<ExitCode> {
  const url = parseServerUrl(word);
  const { tls } = clientTls(values, process.env);
  const interruption = watchSignals(() => say('stopping; nothing was kept of this login'));
  const { signal } = interruption;
  try {
    const { askForLogin } = await import('../../../client/login-offer.ts');
    const offer = await askForLogin({ url, signal, tls, proxy: proxyFor(url, process.env) });
    const request = loginRequestOf(url, values, offer);
    announce(url, request);
    const fetch = issuerFetchIn(process.env, tls);
    const [{ openIssuer }, { beginDeviceFlow }] = await Promise.all([
      import('../../access/issuer.ts'),
      import('./device-flow.ts'),
    ]);
    const prompt = await beginDeviceFlow(await openIssuer({ ...request, fetch, signal }), request.scopes);
    show(prompt, values);
    const { origin, issuer, clientId, audience } = request;
    const tokens = await prompt.approved();
    await keep({ origin, issuer, clientId, ...(audience === undefined ? {} : { audience }), ...tokens });
    say(`logged in; to end the login: cairn logout ${origin}`);
    if (values.json) print(summary({ ...request, ...tokens }));
    return EXIT.done;
  } finally {
    interruption.dispose();
  }
}

/** Says whether there is a login, and until when its access token is valid; sends no request. */
export async function runLoginStatus(word: string, { json }: LoginValues): Promise<ExitCode> {
  const { origin } = parseServerUrl(word);
  const login = await readLogin(loginFileOf(process.env, origin), origin);
  if (login === undefined) {
    throw new CairnError('login-failed', `there is no login for ${origin}; run: cairn login ${origin}`);
  }
  const { issuer, clientId, expiresAtMs, refreshToken } = login;
  if (json) print(summary(login));
  else {
    const until = expiresAtMs === undefined ? 'the issuer ends it' : new Date(expiresAtMs).toISOString();
    const renewal = refreshToken === undefined ? 'cairn cannot renew it' : 'cairn renews it';
    print(`${origin}: logged in at ${printable(issuer)} as ${printable(clientId)}\n`);
    print(`the access token is valid until ${until}; ${renewal}\n`);
  }
  return EXIT.done;
}

/** The request that the options describe; what they leave out comes from the offer of the server. */
function loginRequestOf({ origin }: URL, values: LoginValues, offer: LoginOffer | undefined): LoginRequest {
  const issuer = values.issuer ?? offer?.issuer;
  if (issuer === undefined) {
    const message = `${origin} names no issuer to log in at; it accepts its own access tokens: --token-file, or CAIRN_TOKEN`;
    throw new CairnError('login-failed', message);
  }
  parseIssuerUrl(issuer, values.issuer === undefined ? `the server ${origin}` : '--issuer', 'login-failed');
  if (offer !== undefined && offer.issuer !== issuer) {
    const message = `${origin} accepts tokens of ${printable(offer.issuer)}, not of ${printable(issuer)}: no issuer was asked`;
    throw new CairnError('login-failed', message);
  }
  const clientId = values.clientId ?? offer?.clientId;
  if (clientId === undefined) {
    throw usage(
      `${origin} does not name the client id for a login at ${printable(issuer)}`,
      '--client-id cairn-cli',
    );
  }
  const scopes = values.scope ?? offer?.scopes?.filter(isScope);
  return { origin, issuer, clientId, audience: offer?.audience, scopes: scopes ?? DEFAULT_SCOPES };
}

/** Before the issuer is asked: the owner of the server chose what the user is about to approve. */
function announce(url: URL, { origin, issuer, clientId, audience }: LoginRequest): void {
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname)) {
    say(
      `the connection to ${origin} is not encrypted: others on the network can change its answers and read tokens`,
    );
  }
  say(`${origin} names the issuer ${printable(issuer)}; asking it, as ${printable(clientId)}`);
  if (audience === undefined) return;
  say(`the tokens are for ${printable(audience)}; cairn shows them to ${origin} only`);
  const isElsewhere =
    /^https?:/.test(audience) && URL.canParse(audience) && new URL(audience).origin !== origin;
  if (isElsewhere) say('that is not the name of this server: approve only if you know that it is meant');
}

function show({ url, urlWithCode, code, expiresInMs }: DevicePrompt, { json }: LoginValues): void {
  if (json) print(jsonLine({ type: 'verification', url, urlWithCode, code, expiresInMs }));
  say(`open ${url}`);
  say(`and enter the code ${code}`);
  if (urlWithCode !== undefined) say(`or open ${urlWithCode}`);
  say(`waiting at most ${Math.ceil(expiresInMs / 60_000)} min for your approval`);
}

async function keep(login: Login): Promise<void> {
  const path = loginFileOf(process.env, login.origin);
  const lock = await lockLogin(path);
  try {
    await writeLogin(path, login);
  } finally {
    await lock.release();
  }
}

function summary({ origin, issuer, clientId, expiresAtMs, refreshToken }: Omit<Login, 'audience'>): string {
  const expiresAt = expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString();
  const isRenewed = refreshToken !== undefined;
  return doneLine({ origin, issuer, clientId, expiresAt, isRenewed });
}

function say(line: string): void {
  process.stderr.write(`cairn: ${line}\n`);
}
