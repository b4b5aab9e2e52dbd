/** Text from a hostile server on the user's terminal: names, problems, addresses. With the built command line. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { commits, grant, json, problem, setTrap, TOKEN } from './support/liar.ts';

/** Clears the screen, writes to the clipboard, sets the title, reorders text, and C1 codes that are one byte in Latin-1. */
const ATTACKS = [
  '\u001b[2J\u001b[H',
  '\u001b]52;c;ZXZpbA==\u0007',
  '\u001b]0;title\u0007',
  '\u009b31m',
  '\u202egnp.exe',
  '\r\nforged: line',
  '\u0008\u0008\u0008',
];
const EVIL = ATTACKS.join('');

/** Control characters other than the line feed, and what reorders text. */
// oxlint-disable-next-line no-control-regex -- finding them is the purpose
const DANGEROUS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

function expectHarmless({ stdout, stderr }: CliResult): void {
  expect(stdout.toString()).not.toMatch(DANGEROUS);
  expect(stderr).not.toMatch(DANGEROUS);
  expect(`${stdout.toString()}\n${stderr}`).not.toMatch(/^forged: line/m);
  expect(`${stdout.toString()}${stderr}`).not.toContain(TOKEN);
}

function run(...args: string[]): Promise<CliResult> {
  return cairn(args, { stateHome: temporaryDirectory(), token: TOKEN });
}

const NAMES = ATTACKS.map((attack) => `${attack.replaceAll('/', '_')}x`);
const LINES = [
  '["d","",493,"0"]',
  ...NAMES.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((name) =>
    JSON.stringify(['l', name, `/${EVIL}`, '0']),
  ),
  JSON.stringify(['w', 'source-unreadable', `a/${EVIL}`, EVIL]),
];

describe('names with terminal escapes', () => {
  test('names with terminal escapes are harmless in the output of ls, and whole in its JSON', async () => {
    const trap = await setTrap(() => false, { lines: LINES });
    const plain = await run('ls', '-R', trap.url.href);
    expect(plain.exitCode).toBe(3);
    expectHarmless(plain);
    const asJson = await run('ls', '-R', '--json', trap.url.href);
    expectHarmless(asJson);
    const names = asJson.lines.filter(({ type }) => type === 'entry').map((line) => line['path']);
    expect(names).toEqual(expect.arrayContaining(NAMES));
  });

  test('names with terminal escapes are harmless in the warnings and the result of a pull', async () => {
    const trap = await setTrap(commits, { lines: LINES });
    for (const words of [[], ['--json'], ['--no-progress']]) {
      const result = await run(
        'pull',
        ...words,
        trap.url.href,
        path.join(trap.destination, `${words.length}`),
      );
      expectHarmless(result);
      expect(result.exitCode).toBe(3);
    }
    trap.expectNothingOutside();
  });
});

describe('messages of a server with terminal escapes', () => {
  test.each([
    ['a problem', 404, 'not-found'],
    ['a code that is known, with a long text', 409, 'session-state'],
    ['an error that is worth another try', 503, 'server-busy'],
  ])('terminal escapes of a server are harmless on the screen in %s', async (_, status, code) => {
    const trap = await setTrap(({ route, response }) => {
      if (route?.startsWith('tree') !== true && route !== 'sessions') return false;
      problem(response, status, { code, detail: EVIL.repeat(50), title: EVIL, details: { path: EVIL } });
      return true;
    });
    const source = path.join(temporaryDirectory(), 'file');
    writeFileSync(source, 'x');
    for (const words of [
      ['ls', '--retry-for', '1s', trap.url.href],
      ['ls', '--retry-for', '1s', '--json', trap.url.href],
      ['push', '--retry-for', '1s', source, trap.url.href],
      ['pull', '--retry-for', '1s', trap.url.href, trap.destination],
    ]) {
      const result = await run(...words);
      expect(result.exitCode).not.toBe(0);
      expectHarmless(result);
    }
  });

  test('terminal escapes of a server are harmless on the screen in a redirect and in the version it greets with', async () => {
    const redirect = await setTrap(({ response }) => {
      response.socket!.end(
        `HTTP/1.1 302 Found\r\nLocation: http://x/\u001b[2J\u009b31m\r\nContent-Length: 0\r\n\r\n`,
      );
      return true;
    });
    expectHarmless(await run('ls', '--retry-for', '1s', redirect.url.href));
    const greeting = await setTrap(({ route, response }) => {
      if (route !== '') return false;
      json(response, { server: EVIL, version: EVIL, protocol: { major: EVIL, minor: 0 } });
      return true;
    });
    expectHarmless(await run('ls', '--retry-for', '1s', greeting.url.href));
  });

  test('terminal escapes of a server are harmless on the screen in the fields of session terms', async () => {
    const trap = await setTrap(({ route, response }) => {
      if (route !== 'sessions') return false;
      json(response, grant({ session: EVIL, credential: EVIL, digest: EVIL, state: EVIL }), 201);
      return true;
    });
    const result = await run('pull', '--retry-for', '1s', trap.url.href, trap.destination);
    expect(result.exitCode).not.toBe(0);
    expectHarmless(result);
  });

  test('terminal escapes of a server are harmless on the screen in the path of its protocol root', async () => {
    const trap = await setTrap(({ method, response }) => {
      if (method !== 'HEAD') return false;
      response.socket!.end(
        'HTTP/1.1 200 OK\r\nLink: </\u009b31m/.cairn/v9/>; rel="urn:cairn:protocol"\r\nContent-Length: 0\r\n\r\n',
      );
      return true;
    });
    expectHarmless(await run('ls', '--retry-for', '1s', trap.url.href));
  });
});

test('terminal escapes of a local name are harmless on the screen when a push leaves it out', async () => {
  const directory = temporaryDirectory();
  mkdirSync(path.join(directory, 'tree', `${ATTACKS[0]!}${ATTACKS[1]!}`), { recursive: true });
  const trap = await setTrap(({ route, response }) => {
    if (route === 'sessions') json(response, grant({ direction: 'push' }), 201);
    else return false;
    return true;
  });
  expectHarmless(await run('push', '--retry-for', '1s', path.join(directory, 'tree'), trap.url.href));
});
