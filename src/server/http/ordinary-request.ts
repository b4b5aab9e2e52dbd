/** Turns a request whose upgrade the server does not do into an ordinary one. */
import type { IncomingMessage } from 'node:http';

/**
 * The head of a request without its upgrade. The connection ends with the answer; the body that follows still belongs
 * to the request (curl sends one with `Upgrade: h2c`). Undefined where Node has dropped header fields.
 */
export function ordinaryRequest(request: IncomingMessage, maxHeaders: number): Buffer | undefined {
  const { method, url, httpVersion, rawHeaders } = request;
  // Node drops the fields beyond its limit; without its Content-Length the body would be parsed as another request.
  if (rawHeaders.length > 2 * maxHeaders) return undefined;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.toLowerCase() !== 'connection') lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  lines.push('Connection: close', '', '');
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
