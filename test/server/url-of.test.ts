/** What a server calls itself. */
import { expect, test } from 'vitest';
import { urlOf } from '../../src/server/http/listen.ts';

test.each([
  ['0.0.0.0', 'http://127.0.0.1:7400'],
  ['::', 'http://[::1]:7400'],
  ['::1', 'http://[::1]:7400'],
  ['192.0.2.7', 'http://192.0.2.7:7400'],
  ['files.example', 'http://files.example:7400'],
])('a server that listens at %s names the URL %s, which leads to it', (host, url) => {
  expect(urlOf('http', host, 7400)).toBe(url);
});
