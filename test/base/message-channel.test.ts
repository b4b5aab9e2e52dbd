import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BodyReader } from '../../src/base/body-reader.ts';
import { CairnError } from '../../src/base/errors.ts';
import { MessageChannel } from '../../src/base/message-channel.ts';

const PACE = { idleMs: 10_000, minRate: 1, overMs: 60_000 };

/** Both ends of a connection: a plain socket, and a channel over the other one. */
async function openPair(): Promise<{ peer: Socket; channel: MessageChannel }> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => void server.once('connection', resolve));
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  peer.on('error', () => undefined);
  const channel = new MessageChannel(await accepted, Buffer.alloc(0));
  onTestFinished(() => {
    peer.destroy();
    channel.close();
    server.close();
  });
  return { peer, channel };
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Reads a body, slowly at times, and looks at each piece only after it has waited. */
async function readBody(channel: MessageChannel, lengthBytes: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of new BodyReader(channel.body(lengthBytes), PACE)) {
    if (Math.random() < 0.1) await sleep(Math.random() * 3);
    hash.update(piece);
  }
  return hash.digest('hex');
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

/** Some messages of random lengths over one connection. */
async function exchangeMessages(count: number): Promise<void> {
  const { peer, channel } = await openPair();
  for (let turn = 0; turn < count; turn += 1) {
    const body = randomBytes(turn === 3 ? 0 : Math.floor(Math.random() ** 3 * 3_000_000));
    peer.write(`number ${turn}\r\n\r\n`);
    for (let at = 0; at < body.byteLength;) {
      const slice = 1 + Math.floor(Math.random() * 400_000);
      peer.write(body.subarray(at, at + slice));
      at += slice;
    }
    expect(await channel.readHead(100)).toBe(`number ${turn}`);
    expect(await readBody(channel, body.byteLength)).toBe(digestOf(body));
  }
  peer.end();
  expect(await channel.readHead(100)).toBeUndefined();
}

describe('message channels', () => {
  test('message channels give each body as it was sent, however many read into the same memory', async () => {
    const broken = Array.from({ length: 8 }, async () => {
      const { peer, channel } = await openPair();
      peer.write('x\r\n\r\n');
      await channel.readHead(100);
      const reader = new BodyReader(channel.body(5_000_000), PACE);
      for (let turn = 0; turn < 4; turn += 1) peer.write(randomBytes(700_000));
      await reader.next();
      await reader.next();
      // One is cut, another one gets more than it was to get.
      if (Math.random() < 0.5) peer.destroy();
      else peer.write(Buffer.alloc(3_000_000));
      const rest = async (): Promise<void> => {
        for await (const _ of reader);
      };
      expect(await codeOf(rest())).toBe('network');
      channel.close();
    });
    await Promise.all([...Array.from({ length: 12 }, () => exchangeMessages(12)), ...broken]);
  });

  test('a message channel ends when bytes came before the upgrade was answered', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const accepted = new Promise<Socket>((resolve) => void server.once('connection', resolve));
    const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const channel = new MessageChannel(await accepted, Buffer.from('early\r\n\r\n'));
    onTestFinished(() => {
      peer.destroy();
      channel.close();
      server.close();
    });
    // Nobody may speak before the upgrade was answered.
    expect(await channel.readHead(100)).toBeUndefined();
    expect((channel.failure as CairnError).code).toBe('invalid-request');
  });

  test('a message channel ends at a head that is too long, and at a message that was not asked for', async () => {
    const long = await openPair();
    long.peer.write('x'.repeat(1000));
    expect(await codeOf(long.channel.readHead(100))).toBe('invalid-request');
    expect(long.channel.isOver).toBe(true);
    const unasked = await openPair();
    unasked.peer.write('hello\r\n\r\nand more');
    expect(await unasked.channel.readHead(100)).toBe('hello');
    expect(await unasked.channel.readHead(100)).toBeUndefined();
    expect((unasked.channel.failure as CairnError).code).toBe('invalid-request');
  });

  test('a message channel reports a cut after the bytes that came before it', async () => {
    const { peer, channel } = await openPair();
    peer.end('h\r\n\r\nabc');
    await channel.readHead(100);
    const reader = new BodyReader(channel.body(10), PACE);
    const { value } = await reader.next();
    expect(Buffer.from(value ?? []).toString()).toBe('abc');
    expect(await codeOf(reader.next())).toBe('network');
  });
});

describe('closed message channels', () => {
  test('a message channel over a closed socket has no message', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(socket, 'connect');
    socket.destroy();
    await once(socket, 'close');
    const channel = new MessageChannel(socket, Buffer.alloc(0));
    expect(channel.isOver).toBe(true);
    expect(await channel.readHead(1000)).toBeUndefined();
    expect(await codeOf(new BodyReader(channel.body(5), PACE).next())).toBe('network');
  });

  test('a message channel that is destroyed does not wait for the head after an interim one', async () => {
    const { peer, channel } = await openPair();
    const interim = channel.readHead(1000);
    peer.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 O');
    expect(await interim).toBe('HTTP/1.1 103 Early Hints');
    channel.destroy();
    expect(await channel.readNextHead(1000)).toBeUndefined();
  });
});
