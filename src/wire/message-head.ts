/**
 * Heads of messages on a channel: those of HTTP/1.1 (RFC 9112) without the parts that parsers read in different ways.
 * Every line ends with CR LF, no field stands twice or spans two lines, and a body has the length of its
 * Content-Length.
 */
import { CairnError } from '../base/errors.ts';

/** The value of `Upgrade` in a request for a channel (RFC 9110, section 7.8). */
export const CHANNEL_PROTOCOL = 'cairn-channel/1';
/** Longest head, in bytes, without the empty line at its end. */
export const MAX_HEAD_BYTES = 8 * 1024;

/** The head of a message. */
export interface MessageHead {
  /** `PUT /path HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly startLine: string;
  /** By name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** Length of the body in bytes; 0 where the head names none. */
  readonly contentLengthBytes: number;
}

const START_LINE = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;
/** The decoder trims values afterwards: an expression would backtrack over every way to share the blanks. */
const FIELD = /^([A-Za-z0-9-]+):([\x20-\x7e\t]*)$/;
const LENGTH = /^(?:0|[1-9][0-9]{0,14})$/;

/** Writes a head, with the empty line at its end. */
export function encodeHead(startLine: string, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${startLine}\r\n${lines.join('')}\r\n`;
}

/** Reads a head, given without the empty line at its end. @throws CairnError `invalid-request` */
export function decodeHead(text: string): MessageHead {
  const [startLine = '', ...lines] = text.split('\r\n');
  if (!START_LINE.test(startLine)) throw malformed('the first line');
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) throw malformed('a field');
    const key = name.toLowerCase();
    if (fields.has(key)) throw malformed(key);
    fields.set(key, value.trim());
  }
  const length = fields.get('content-length') ?? '0';
  if (!LENGTH.test(length)) throw malformed('Content-Length');
  if (fields.has('transfer-encoding')) throw malformed('Transfer-Encoding');
  return { startLine, fields, contentLengthBytes: Number(length) };
}

function malformed(what: string): CairnError {
  return new CairnError('invalid-request', `the head of a message on a channel is malformed: ${what}`);
}
