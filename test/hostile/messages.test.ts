/** Messages and manifests that no client writes. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, establish, establishRequest, type HandSession } from '../server/by-hand.ts';
import {
  attack,
  attackSession,
  memoryGrowth,
  openFortress,
  request,
  ROOT,
  type Fortress,
} from './support/raw.ts';

const AUTH = { Authorization: `Bearer ${ALICE}` };
const SESSIONS = `${ROOT}sessions`;

async function begin(): Promise<[Fortress, HandSession, object]> {
  const fortress = await openFortress();
  const transfer = transferOf(fortress.scene.stores.content, 'tree', [directory(''), file('a', 'x')]);
  const wish = establishRequest(transfer, 'push', '/tree');
  return [fortress, await establish(fortress.scene, transfer), wish];
}

describe('messages', () => {
  test.each([
    ['10^5 levels deep', '['.repeat(30_000) + ']'.repeat(30_000)],
    ['10^4 objects deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['with a number beyond all bounds', '{"parallel":1e999}'],
    ['that is null', 'null'],
    ['that is a list', '[]'],
    ['that is a string', '"x"'],
    ['with text behind its end', '{} {}'],
    ['with a byte order mark', '\ufeff{}'],
    ['cut in a string', '{"target":"/x'],
  ])('a message %s is refused', async (_, body) => {
    const [fortress] = await begin();
    const { statuses } = await attack(fortress.port, request('POST', SESSIONS, AUTH, body));
    expect(statuses).toEqual([400]);
    await fortress.expectUnharmed();
  });

  test('a plan that is 10^5 levels deep, or has a million runs, is refused, though long messages are taken', async () => {
    const [fortress, session] = await begin();
    await session.sendManifest();
    for (const body of [
      '['.repeat(100_000),
      `{"have":${'['.repeat(100_000)}${']'.repeat(100_000)},"attributes":[]}`,
      `{"have":[${'0,1,'.repeat(1_000_000)}0,1],"attributes":[]}`,
    ]) {
      const answer = await attackSession(fortress, session, { method: 'PUT', route: 'plan', body });
      expect(answer.statuses).toEqual([400]);
    }
    await fortress.expectUnharmed();
  });

  test('a message of 100 MB is refused, by its length or when it grows too long, and takes no memory', async () => {
    const [fortress, session] = await begin();
    const growth = await memoryGrowth(async () => {
      const length = { ...AUTH, 'Content-Length': '100000000' };
      expect((await attack(fortress.port, request('POST', SESSIONS, length))).statuses).toEqual([400]);
      const piece = `10000\r\n${' '.repeat(0x10000)}\r\n`;
      const head = request('POST', SESSIONS, { ...AUTH, 'Transfer-Encoding': 'chunked' });
      const flood = function* (): Generator<string> {
        yield head;
        for (let count = 0; count < 1600; count += 1) yield piece;
      };
      expect((await attack(fortress.port, flood(), { quietMs: 500 })).statuses).toEqual([400]);
    });
    expect(growth).toBeLessThan(120);
    expect((await session.post('POST', 'heartbeat')).status).toBe(200);
    await fortress.expectUnharmed();
  });

  test('a message cannot set what every object has, nor fields that the server sets', async () => {
    const [fortress, , wish] = await begin();
    for (const extra of [
      '"__proto__":{"principal":"admin","isAdmin":true}',
      '"constructor":{"prototype":{"isAdmin":true}}',
      '"principal":"bob"',
      '"authorization":{"id":"token:bob"}',
    ]) {
      const body = `${JSON.stringify({ ...wish, target: '/other' }).slice(0, -1)},${extra}}`;
      await attack(fortress.port, request('POST', SESSIONS, AUTH, body));
      expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
    }
    for await (const record of fortress.scene.stores.sessions.list()) {
      expect([record.principal, record.authorization?.id]).toEqual(['alice', 'token:alice']);
    }
    await fortress.expectUnharmed();
  });

  test('a message with a field twice counts by the last one, and that one is checked', async () => {
    const [fortress, , wish] = await begin();
    const body = `{"target":"/fine",${JSON.stringify({ ...wish, target: '/../../evil' }).slice(1)}`;
    const { statuses, text } = await attack(fortress.port, request('POST', SESSIONS, AUTH, body));
    expect([statuses, text.includes('path-unsafe')]).toEqual([[400], true]);
    await fortress.expectUnharmed();
  });

  test.each([
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['half a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ])('a message whose target has %s is refused', async (_, target) => {
    const [fortress, , wish] = await begin();
    const [before, after] = JSON.stringify({ ...wish, target: 'HERE' }).split('"HERE"');
    const body = Buffer.concat([Buffer.from(before!), target, Buffer.from(after!)]);
    const head = request('POST', SESSIONS, { ...AUTH, 'Content-Length': String(body.length) });
    expect((await attack(fortress.port, Buffer.concat([Buffer.from(head), body]))).statuses).toEqual([400]);
    await fortress.expectUnharmed();
  });

  test.each([
    '\ud800',
    '/\ud800',
    '/a\u0000b',
    '/%ud800',
    '/%C0%AF',
    '/..%2f',
    '/.',
    '//',
    '/a/',
    'a',
    '/\u202e',
    ' /a',
  ])('a message with the target %j makes nothing outside of what a URL can say', async (target) => {
    const [fortress, , wish] = await begin();
    const body = JSON.stringify({ ...wish, target });
    const { statuses } = await attack(fortress.port, request('POST', SESSIONS, AUTH, body));
    expect(statuses).toEqual([target === '/a/' ? 201 : 400]);
    await fortress.expectUnharmed();
  });

  test.each([
    { have: [0, 2 ** 53], attributes: [] },
    { have: [0, 1_000_000_000], attributes: [] },
    { have: [-1, 1], attributes: [] },
    { have: [0.5, 1], attributes: [] },
    { have: [1, 1, 0, 1], attributes: [] },
    { have: [0], attributes: [] },
    { have: [], attributes: [0, 1] },
    { have: { length: 1e9 }, attributes: [] },
    { have: 'x'.repeat(100), attributes: [] },
  ])('a plan of %j is refused, and a right one is taken after it', async (plan) => {
    const [fortress, session] = await begin();
    await session.sendManifest();
    expect((await session.post('PUT', 'plan', plan)).status).toBe(400);
    expect((await session.sendPlan()).status).toBe(200);
    await fortress.expectUnharmed();
  });
});

const HEADER = '["cairn-manifest",1,65536,"xxh64"]';

function treeOf(lines: readonly string[]): string {
  const body = [HEADER, ...lines].map((line) => `${line}\n`).join('');
  return `${body}["end","${createHash('sha256').update(body).digest('hex')}"]\n`;
}

describe('manifests', () => {
  test.each([
    ['path-unsafe', ['["f","../evil",1,420,"0"]']],
    ['path-unsafe', ['["f","/etc/passwd",1,420,"0"]']],
    ['path-unsafe', ['["f","a\\u0000",1,420,"0"]']],
    ['path-unsafe', ['["f","a//b",1,420,"0"]']],
    ['path-unsafe', ['["f","./a",1,420,"0"]']],
    ['path-reserved', ['["d",".cairn",493,"0"]']],
    ['path-reserved', ['["d","",493,"0"]', '["d","a",493,"0"]', '["f","a/.cairn",1,420,"0"]']],
    ['path-too-long', [`["f","${'x'.repeat(300)}",1,420,"0"]`]],
    ['manifest-invalid', ['["f","b",1,420,"0"]', '["f","a",1,420,"0"]']],
    ['manifest-invalid', ['["f","a",1,420,"0"]', '["f","a",1,420,"0"]']],
    ['manifest-invalid', ['["f","a/b",1,420,"0"]']],
    ['manifest-invalid', ['["l","a","/etc","0"]', '["f","a/passwd",1,420,"0"]']],
    ['manifest-invalid', ['["l","a","","0"]']],
    ['manifest-invalid', [`["f","a",${2 ** 60},420,"0"]`]],
    ['manifest-invalid', ['["f","a",-1,420,"0"]']],
    ['manifest-invalid', ['["f","a",1e3,420,"0"]']],
    ['manifest-invalid', ['["f","a",1.5,420,"0"]']],
    ['manifest-invalid', ['["f","a",1,2541,"0"]']],
    ['manifest-invalid', ['["f","a",1,420,"99999999999999999999"]']],
    ['manifest-too-large', [`["f","a",${2 ** 53 - 1},420,"0"]`]],
    ['manifest-too-large', [`["f","a",${65_536 * 1_000_000_000},420,"0"]`]],
    ['manifest-invalid', ['["f","\\ud800",1,420,"0"]']],
    ['manifest-invalid', ['{"__proto__":1}']],
    ['manifest-invalid', ['[["f"]]']],
    ['manifest-invalid', [`["f","a",1,420,"0",${'['.repeat(20_000)}]`]],
    ['manifest-invalid', [`["f","a",1,420,"0","${'x'.repeat(70_000)}"]`]],
  ])('a manifest is refused with %s for %j', async (code, lines) => {
    const [fortress, session] = await begin();
    const answer = await session.call('PUT', 'manifest', { body: treeOf(lines) });
    expect([code, 'path-unsafe']).toContain(answer.json.code);
    expect((await session.sendManifest()).status).toBe(200);
    await fortress.expectUnharmed();
  });

  test('a manifest with a wrong id, without an end, or with more behind its end is refused', async () => {
    const [fortress, session] = await begin();
    const tree = treeOf(['["f","a",1,420,"0"]']);
    for (const body of [
      tree.replace(/"end","./, '"end","0'),
      tree.slice(0, -40),
      `${tree}x\n`,
      '',
      `${HEADER}\n`,
    ]) {
      if (body === tree) continue;
      const { status } = await session.call('PUT', 'manifest', { body });
      expect(status).toBe(400);
    }
    await fortress.expectUnharmed();
  });

  test.each([
    ['a line of 10 MB', () => '["f","'.padEnd(10_000_000, 'x')],
    ['a line without an end', () => 'x'.repeat(2_000_000)],
  ])('a manifest with %s is refused before it is read whole', async (_, line) => {
    const [fortress, session] = await begin();
    const growth = await memoryGrowth(async () => {
      const answer = await attackSession(
        fortress,
        session,
        {
          method: 'PUT',
          route: 'manifest',
          headers: { 'Content-Length': '100000000' },
          body: `${HEADER}\n${line()}`,
        },
        { quietMs: 300 },
      );
      expect(answer.statuses).toEqual([400]);
    });
    expect(growth).toBeLessThan(150);
    await fortress.expectUnharmed();
  });

  test('a manifest of endless notices is refused, and the server stays unharmed', async () => {
    const fortress = await openFortress({ limits: { manifest: { maxEntries: 1000, maxBytes: 2_000_000 } } });
    const transfer = transferOf(fortress.scene.stores.content, 'tree', [directory('')]);
    const session = await establish(fortress.scene, transfer);
    const notices = `["w","source-missing","a","gone"]\n`.repeat(2000);
    const head = request('PUT', `${SESSIONS}/${session.terms.session}/manifest`, {
      ...session.headers,
      'Content-Length': '1000000000000',
    });
    const endless = function* (): Generator<string> {
      yield `${head}${HEADER}\n`;
      for (let count = 0; count < 5000; count += 1) yield notices;
    };
    const { statuses } = await attack(fortress.port, endless(), { quietMs: 300, limitMs: 20_000 });
    expect(statuses).toEqual([413]);
    await fortress.expectUnharmed();
  });

  test("a manifest's link that points outside is published as a link, and the server follows it for nobody", async () => {
    const [fortress, session] = await begin();
    const body = treeOf([
      '["d","",493,"0"]',
      '["l","a","../../sentinel","0"]',
      '["l","b","/etc/passwd","0"]',
    ]);
    expect((await session.call('PUT', 'manifest', { body })).status).toBe(200);
    expect((await session.sendPlan()).status).toBe(200);
    const id = /"end","(.*)"/.exec(body)![1]!;
    const digest = createHash('sha256')
      .update('cairn transfer 1\n')
      .update(Buffer.from(id, 'hex'))
      .update(Buffer.alloc(8))
      .digest('hex');
    expect((await session.post('POST', 'commit', { digest, bytesTotal: 0, excluded: [] })).status).toBe(200);
    for (const target of ['/tree/a', '/tree/b', '/tree/a/x']) {
      const { statuses, text } = await attack(fortress.port, request('GET', target, AUTH));
      expect([statuses[0], text.includes('symlink-refused') || text.includes('not-directory')]).toEqual([
        409,
        true,
      ]);
      expect(text).not.toContain('nobody writes here');
    }
    const through = { ...establishRequest(session.transfer, 'push', '/tree/b/x') };
    const pushed = await attack(fortress.port, request('POST', SESSIONS, AUTH, JSON.stringify(through)));
    expect(pushed.statuses).toEqual([409]);
  });
});
