/** What the host of a URL is called in numbers, and which of its addresses take a connection. */
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { targetOf } from '../http/connecting.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

const CONNECT_MS = 5000;
/** More addresses than this are not tried. */
const MAX_ADDRESSES = 16;

/** Looks the name up and connects to each address. */
export async function checkAddress(url: URL): Promise<readonly Finding[]> {
  const { hostname: host, port } = targetOf(url);
  const found = await lookUp(host);
  if (found instanceof CairnError) {
    const remedy = 'check the name in the URL, and the name server of this machine';
    return [problem('address', 'network', found.message, remedy)];
  }
  const outcomes = await Promise.all(
    found.map(async (address) => ({ address, failure: await tryConnect(address, port) })),
  );
  return [summarize(host, port, outcomes)];
}

async function lookUp(host: string): Promise<string[] | CairnError> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))].slice(0, MAX_ADDRESSES);
  } catch (cause) {
    const code = systemCodeOf(cause) ?? 'unknown';
    return new CairnError('network', `the name "${host}" cannot be looked up (${code})`, { cause });
  }
}

/** Undefined when it worked; otherwise what the system said. */
function tryConnect(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const over = (outcome: string | undefined): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(CONNECT_MS, () => over('no answer'));
    socket.once('connect', () => over(undefined));
    socket.once('error', (error) => over(systemCodeOf(error) ?? 'failed'));
  });
}

function summarize(
  host: string,
  port: number,
  outcomes: readonly { address: string; failure: string | undefined }[],
): Finding {
  const good = outcomes.filter(({ failure }) => failure === undefined).map(({ address }) => address);
  const bad = outcomes
    .filter(({ failure }) => failure !== undefined)
    .map(({ address, failure }) => `${address} (${failure ?? ''})`);
  if (good.length === 0) {
    const remedy = 'make sure that the server runs, and that no firewall is in the way';
    return problem('address', 'network', `no connection to port ${port} of ${bad.join(', ')}`, remedy);
  }
  if (bad.length > 0) {
    const remedy = `make the server listen on all addresses of ${host}, or take the others out of its name`;
    const message = `${good.join(', ')} take connections, ${bad.join(', ')} do not: each new connection may lose time`;
    return warning('address', message, remedy);
  }
  return ok('address', `${good.join(', ')} (${families(good)}) take connections to port ${port}`);
}

function families(addresses: readonly string[]): string {
  const found = new Set(addresses.map((address) => `IPv${isIP(address)}`));
  return [...found].toSorted().join(' and ');
}
