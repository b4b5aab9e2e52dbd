/** The HTTP proxy between a client and its server: which one the environment names, and for whom it is not. */
import type { Proxy } from '../api/reach.ts';
import { canonicalAddress, isInRanges, parseAddressRange } from '../../base/address-range.ts';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** Environment variables. */
type Environment = Readonly<Record<string, string | undefined>>;

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/**
 * The proxy for a URL: `HTTPS_PROXY` for https, `HTTP_PROXY` for http, else `ALL_PROXY`, in lower case (which goes
 * first) or upper case; none where `NO_PROXY` names the host. A loopback address is reached without a proxy, unless
 * `CAIRN_PROXY_LOOPBACK=1`.
 *
 * @throws CairnError `config-invalid` for a proxy that cairn cannot use
 */
export function proxyFor(url: URL, environment: Environment): Proxy | undefined {
  const names = url.protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY'];
  const found = firstSet(environment, [...names, 'all_proxy', 'ALL_PROXY']);
  if (found === undefined) return undefined;
  // In a CGI program this variable is a header of the request that it answers.
  if (found.name === 'HTTP_PROXY' && environment['REQUEST_METHOD'] !== undefined) return undefined;
  if (isLoopback(url.hostname) && environment['CAIRN_PROXY_LOOPBACK'] !== '1') return undefined;
  const exceptions = firstSet(environment, ['no_proxy', 'NO_PROXY'])?.value ?? '';
  return isExcepted(url, exceptions) ? undefined : parseProxy(found.name, found.value);
}

function firstSet(
  environment: Environment,
  names: readonly string[],
): { name: string; value: string } | undefined {
  for (const name of names) {
    const value = environment[name]?.trim();
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

function parseProxy(name: string, value: string): Proxy {
  const scheme = SCHEME.exec(value)?.[1]?.toLowerCase() ?? 'http';
  if (scheme.startsWith('socks')) {
    throw new CairnError(
      'config-invalid',
      `${name} names a SOCKS proxy, which cairn cannot use: name an HTTP proxy, or exclude the server with NO_PROXY`,
    );
  }
  const text = SCHEME.test(value) ? value : `http://${value}`;
  // The value is not shown: it may hold a password.
  const wrong = new CairnError(
    'config-invalid',
    `${name} is not the URL of a proxy such as http://proxy.example:3128`,
  );
  if (!URL.canParse(text)) throw wrong;
  const url = new URL(text);
  if (!['http:', 'https:'].includes(url.protocol) || url.hostname === '') throw wrong;
  const { username, password } = url;
  return { url: new URL(url.origin), authorization: credentialsOf(username, password, wrong) };
}

function credentialsOf(username: string, password: string, wrong: CairnError): string | undefined {
  if (username === '' && password === '') return undefined;
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  } catch {
    throw wrong;
  }
}

/** Whether only this machine is meant; as in URLs, IPv6 addresses stand in brackets. */
function isLoopback(hostname: string): boolean {
  const name = bare(hostname);
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(?:\.\d+){3}$/.test(name)
  );
}

/** `NO_PROXY`: names with everything below, addresses, networks in CIDR form, each with a port or without; or `*`. */
function isExcepted(url: URL, exceptions: string): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const name = bare(url.hostname);
  return exceptions
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || fits(entry.toLowerCase(), name, port));
}

function fits(entry: string, name: string, port: string): boolean {
  const range = parseAddressRange(entry.replace(/^\[(.*)\]$/, '$1'));
  const address = canonicalAddress(name);
  if (range !== undefined) return address !== undefined && isInRanges(address, [range]);
  const [, host = '', ofPort = port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (ofPort !== port) return false;
  const wanted = bare(host.replace(/^\*?\./, ''));
  if (wanted === '') return false;
  return name === wanted || (address === undefined && name.endsWith(`.${wanted}`));
}

function bare(hostname: string): string {
  return hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** How a proxy is named to people: without its credentials. */
export function shownProxy({ url }: Proxy): string {
  return `the proxy ${printable(url.origin)}`;
}

/** What status 407 of a proxy means: `proxy-refused`. */
export function proxyWantsCredentials(proxy: Proxy): CairnError {
  const what =
    proxy.authorization === undefined ? 'wants a user and a password' : 'does not accept its password';
  return new CairnError(
    'proxy-refused',
    `${shownProxy(proxy)} ${what}: give them in the URL of the variable that names it (http://USER:PASSWORD@HOST:PORT)`,
    { details: { status: 407 } },
  );
}

/** Whether plain http goes through a proxy, which is asked for the whole URL then (RFC 9112, section 3.2.2). */
export function isForwarded(url: URL, proxy: Proxy | undefined): proxy is Proxy {
  return proxy !== undefined && url.protocol === 'http:';
}
