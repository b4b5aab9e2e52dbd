/** Who answers at a URL, and what its clock says. */
import { Hello } from '../../wire/messages.ts';
import { parseJsonMessage } from '../../wire/parse-message.ts';
import { printable } from '../../base/safe-path.ts';
import { call, type Server } from '../http/server-calls.ts';
import { ok, warning, type Finding } from './finding.ts';

const MAX_HELLO_BYTES = 64 * 1024;
const MAX_SKEW_MS = 30_000;
/** A Date header has whole seconds, rounded down. */
const HALF_A_SECOND_MS = 500;

/** Asks for the greeting, and compares the clocks by it. */
export async function checkGreeting(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const before = Date.now();
  const response = await call(server, { method: 'GET', path: '', signal });
  const after = Date.now();
  const text = await response.text(MAX_HELLO_BYTES);
  const hello = parseJsonMessage(Hello, text, 'the greeting of the server');
  const { major, minor } = hello.protocol;
  const version = printable(hello.version.slice(0, 100));
  const { root } = server;
  return [
    ok('server', `cairn ${version} at ${root.href}, protocol ${major}.${minor}, in ${after - before} ms`),
    compareClocks(response.header('date'), (before + after) / 2),
  ];
}

/** @param localMs what the clock here said when the server's was read */
export function compareClocks(date: string | undefined, localMs: number): Finding {
  const serverMs = Date.parse(date ?? '') + HALF_A_SECOND_MS;
  if (Number.isNaN(serverMs)) {
    const remedy = 'have the proxy before the server leave the Date header as it is';
    return warning('clock', 'the answer has no date to compare the clocks by', remedy);
  }
  const skewMs = serverMs - localMs;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (Math.abs(skewMs) <= MAX_SKEW_MS)
    return ok('clock', `the clocks agree within ${Math.max(1, seconds)} s`);
  const which = skewMs > 0 ? 'ahead of' : 'behind';
  const message = `the server's clock is ${seconds} s ${which} this one: tokens may count as expired, or not valid yet`;
  return warning('clock', message, 'have both machines set their clocks by a time server (NTP)');
}
