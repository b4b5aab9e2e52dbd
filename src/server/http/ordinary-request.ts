/** A request that asks for an upgrade which is not done, as the request that it is without. */
import type { IncomingMessage } from 'node:http';

/**
 * The head of a request without its wish to upgrade. Its connection ends with its answer; a body that follows is its own,
 * as it would have been (curl sends one with `Upgrade: h2c`). Undefined for a head that Node does not know whole.
 */
export function ordinaryRequest(request: IncomingMessage, maxHeaders: number): Buffer | undefined {
  const { method, url, httpVersion, rawHeaders } = request;
  // Node leaves out what is beyond; without its length the body would be read as another request.
  if (rawHeaders.length > 2 * maxHeaders) return undefined;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.toLowerCase() !== 'connection') lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  lines.push('Connection: close', '', '');
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
