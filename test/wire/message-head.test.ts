import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { decodeHead, encodeHead } from '../../src/wire/message-head.ts';

const name = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
  .filter((key) => !['transfer-encoding', 'content-length'].includes(key));
const value = fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,30}[\x21-\x7e])?$/);

const codeOf = (text: string): string | undefined => {
  try {
    decodeHead(text);
    return undefined;
  } catch (error) {
    return error instanceof CairnError ? error.code : 'not a CairnError';
  }
};

describe('heads of channel messages', () => {
  test('the head of a channel message is read as it was written', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.nat(), (fields, length) => {
        const text = encodeHead('PUT /a HTTP/1.1', { ...fields, 'Content-Length': String(length) });
        expect(text.endsWith('\r\n\r\n')).toBe(true);
        const head = decodeHead(text.slice(0, -4));
        expect(head.startLine).toBe('PUT /a HTTP/1.1');
        expect(head.contentLengthBytes).toBe(length);
        expect(Object.fromEntries(head.fields)).toEqual({ ...fields, 'content-length': String(length) });
      }),
    );
  });

  test('the head of a channel message without a length has a body of no bytes', () => {
    expect(decodeHead('HTTP/1.1 200 OK\r\nETag: "x"').contentLengthBytes).toBe(0);
  });

  test.each([
    ['no first line', ''],
    ['a first line that begins with a space', ' GET / HTTP/1.1'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a'],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: a\rb'],
    ['a field over two lines', 'GET / HTTP/1.1\r\nHost: a\r\n b'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nContent-Length : 5'],
    ['a field without a name', 'GET / HTTP/1.1\r\n: 5'],
    ['a field without a colon', 'GET / HTTP/1.1\r\nHost'],
    ['one field twice', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a'],
    ['two lengths that agree', 'PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5'],
    ['a negative length', 'PUT / HTTP/1.1\r\nContent-Length: -1'],
    ['a hexadecimal length', 'PUT / HTTP/1.1\r\nContent-Length: 0x10'],
    ['a length with a leading zero', 'PUT / HTTP/1.1\r\nContent-Length: 010'],
    ['a list of lengths', 'PUT / HTTP/1.1\r\nContent-Length: 5, 5'],
    ['a length beyond 2^53', 'PUT / HTTP/1.1\r\nContent-Length: 9007199254740993000'],
    ['a transfer coding', 'PUT / HTTP/1.1\r\nTransfer-Encoding: chunked'],
    ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\0b'],
    ['bytes beyond ASCII', 'GET / HTTP/1.1\r\nHost: \xe9'],
  ])('the head of a channel message is refused with %s', (_what, text) => {
    expect(codeOf(text)).toBe('invalid-request');
  });

  test('any text is read as the head of a channel message, or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) =>
        ['invalid-request', undefined].includes(codeOf(text) as 'invalid-request'),
      ),
    );
  });
});
