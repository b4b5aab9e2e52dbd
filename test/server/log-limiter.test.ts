/** How many lines strangers can cause, and what they say. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createLimitedLog } from '../../src/server/http/log-limiter.ts';
import { ALICE, call, openScene, raw, type Scene } from './by-hand.ts';

interface Line {
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

function openLog() {
  const lines: Line[] = [];
  const note = (fields: object, message: string): void => void lines.push({ message, fields: { ...fields } });
  const limited = createLimitedLog({ debug: note, info: note, warn: note, error: note }, () => Date.now());
  return { lines, limited };
}

describe('the limited log', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('the limited log writes one line in ten seconds for each kind and address, then how many it left out', () => {
    const { lines, limited } = openLog();
    for (let count = 0; count < 1000; count++)
      for (const address of ['192.0.2.1', '192.0.2.2'])
        limited.note({ level: 'warn', kind: 'json', address }, { address }, 'refused');
    expect(lines).toHaveLength(2);
    vi.advanceTimersByTime(10_000);
    expect(lines.slice(2).map(({ fields }) => fields)).toEqual([
      { kind: 'json', address: '192.0.2.1', leftOut: 999, of: 'refused' },
      { kind: 'json', address: '192.0.2.2', leftOut: 999, of: 'refused' },
    ]);
    limited.note({ level: 'warn', kind: 'json', address: '192.0.2.1' }, {}, 'refused');
    expect(lines).toHaveLength(4);
    vi.advanceTimersByTime(10_000);
    expect(lines[4]?.fields['leftOut']).toBe(1);
  });

  test('the limited log says nothing more of a single event, and writes it at once when it comes again', () => {
    const { lines, limited } = openLog();
    limited.note({ level: 'info', kind: 'network', address: '192.0.2.1' }, {}, 'lost');
    vi.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
    limited.note({ level: 'info', kind: 'network', address: '192.0.2.1' }, {}, 'lost');
    expect(lines).toHaveLength(2);
  });

  test('the limited log reports each kind when its own ten seconds are over', () => {
    const { lines, limited } = openLog();
    const note = (kind: string) => limited.note({ level: 'warn', kind }, { kind }, 'refused');
    for (const kind of ['a', 'a']) note(kind);
    vi.advanceTimersByTime(1000);
    for (const kind of ['b', 'b']) note(kind);
    vi.advanceTimersByTime(9000);
    expect(lines.map(({ fields }) => fields['kind'])).toEqual(['a', 'b', 'a']);
    vi.advanceTimersByTime(1000);
    expect(lines.map(({ fields }) => fields['kind'])).toEqual(['a', 'b', 'a', 'b']);
  });

  test('the limited log takes the addresses of one IPv6 network for one', () => {
    const { lines, limited } = openLog();
    for (let host = 1; host < 500; host++)
      limited.note({ level: 'warn', kind: 'json', address: `2001:db8::${host.toString(16)}` }, {}, 'refused');
    expect(lines).toHaveLength(1);
  });

  test('the limited log is bounded for very many addresses, too, and counts all of them', () => {
    const { lines, limited } = openLog();
    for (let host = 0; host < 10_000; host++)
      limited.note(
        { level: 'warn', kind: 'json', address: `10.0.${host >> 8}.${host & 255}` },
        {},
        'refused',
      );
    expect(lines).toHaveLength(129);
    vi.advanceTimersByTime(10_000);
    expect(lines).toHaveLength(130);
    expect(lines[129]?.fields).toMatchObject({ address: 'others', leftOut: 10_000 - 129 });
  });

  test('the limited log reports at its end what it has left out', () => {
    const { lines, limited } = openLog();
    for (let count = 0; count < 5; count++) limited.note({ level: 'warn', kind: 'json' }, {}, 'refused');
    limited.close();
    expect(lines[1]?.fields).toMatchObject({ leftOut: 4 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** Opens a channel and sends what is no message; resolves when the server has closed it. */
function breakChannel(scene: Scene, upgrade: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(scene.server.port, '127.0.0.1', () => socket.write(upgrade));
    socket.once('data', () => socket.write('nonsense\r\n\r\n'));
    socket.on('error', () => undefined).once('close', () => resolve());
  });
}

describe('logs of a server', () => {
  const about = (logged: readonly string[], text: string): string[] =>
    logged.filter((line) => line.includes(text));

  test.each([
    ['without a token', undefined, 'unauthenticated', 1],
    ['with wrong tokens', 'wrong', 'rate-limited', 1],
  ])('a server logs a hundred requests %s as one line of each reason', async (_what, token, code, count) => {
    const scene = await openScene('memory');
    for (let request = 0; request < 100; request++) await call(scene, 'GET', `/x${request}`, { token });
    expect(about(scene.logged, `"code":"${code}"`)).toHaveLength(count);
    expect(scene.logged.length).toBeLessThan(4);
  });

  test('a server logs a failure of its own with one stack, and that it is busy with none', async () => {
    const lines: { level: string; fields: { code?: string; err?: unknown } }[] = [];
    const at = (level: string) => (fields: object) => void lines.push({ level, fields });
    const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
    const broken = new CairnError('storage-io', 'the disk says EIO');
    const failures = [broken, new CairnError('server-busy', 'try again')];
    const scene = await openScene('memory', {
      log,
      wrap: (content) => ({
        ...content,
        lookup: async () => {
          throw failures.shift()!;
        },
      }),
    });
    for (const code of ['storage-io', 'server-busy'])
      expect((await call(scene, 'GET', '/x', { token: ALICE })).json.code).toBe(code);
    const told = lines.filter(({ fields }) => fields.code !== undefined);
    expect(told.map(({ level, fields }) => [level, fields.code, fields.err])).toEqual([
      ['error', 'storage-io', broken],
      ['warn', 'server-busy', undefined],
    ]);
    expect(told[0]!.fields.err).toBe(broken);
  });

  test('a server logs a channel that breaks its rules once, however often that happens', async () => {
    const scene = await openScene('memory');
    const upgrade =
      'GET /.cairn/v1/channel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: cairn-channel/1\r\n\r\n';
    for (let count = 0; count < 5; count++) await breakChannel(scene, upgrade);
    expect(about(scene.logged, 'channel ended')).toHaveLength(1);
  });

  test('a server logs neither passwords of URLs nor tokens in targets, whatever form these have', async () => {
    const scene = await openScene('memory');
    const secret = 'hunter2';
    const targets = [
      `http://u:${secret}@x/y`,
      `//u:${secret}@x/y`,
      `/http://u:${secret}@x/y`,
      `u:${secret}@x:80`,
      `/y?token=${ALICE}`,
      `/y/${ALICE}`,
      `/.cairn/v1/${ALICE}`,
      `/y;${ALICE}`,
      `/${'a'.repeat(270)}/${ALICE}`,
    ];
    for (const target of targets)
      await raw(scene, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await call(scene, 'GET', `/not-there/${ALICE}`, { token: ALICE });
    const text = scene.logged.join('\n');
    expect(text).toContain('request refused');
    for (const part of [secret, ALICE, ALICE.slice(0, 20)]) expect(text).not.toContain(part);
  });

  test('a server logs and answers no value of a message that is not valid', async () => {
    const scene = await openScene('memory');
    const values = [
      '"s3cr3t"',
      '["s3cr3t"]',
      '{"s3cr3t":1}',
      '{"direction":"s3cr3t"}',
      '{"protocol":s3cr3t}',
      '"\\ud800s3cr3t',
    ];
    for (const body of [...values, '{"protocol":{"major":"s3cr3t"}}', '{"target":["s3cr3t"]}']) {
      const answer = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
      expect(answer.status).toBe(400);
      expect(answer.body.toString()).not.toContain('s3cr3t');
    }
    expect(scene.logged.join('\n')).not.toContain('s3cr3t');
  });

  test('a server logs no control characters', async () => {
    const scene = await openScene('memory');
    await raw(scene, 'GET /a%1b[31m\x7f\x85 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(scene.logged.join('\n')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});
