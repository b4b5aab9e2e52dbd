/** One hostile connection: what is sent over it, in which pieces, and how it ends. */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { Identity } from './identity.ts';
import { anyChannelMessage, anyRequest, pick, render, upgradeRequest } from './messages.ts';
import { mutate, mutateBytes } from './mutate.ts';
import type { Victim } from './victim.ts';

/** No answer is waited for longer than this after the last byte. */
const QUIET_MS = 120;
const MAX_MS = 1500;

/** What came of it. */
export interface Outcome {
  /** Requests and messages that were sent. */
  readonly messages: number;
  /** Status codes of what came back. */
  readonly statuses: readonly number[];
}

/** Attacks once; never rejects. */
export async function attack(victim: Victim, identity: Identity, random: () => number): Promise<Outcome> {
  const { socket, reset } = dial(victim);
  socket.on('error', () => undefined);
  let text = '';
  let atMs = performance.now();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const pieces = payload(identity, random);
  // Some read nothing of what they asked for.
  if (random() < 0.9) {
    socket.on('data', (piece: Buffer) => {
      atMs = performance.now();
      if (text.length < 100_000) text += piece.toString('latin1');
    });
  } else socket.pause();
  const came = (): number => text.length;
  const isInTurn = random() < 0.6;
  const messages = isInTurn ? await sendInTurn(socket, pieces, came) : pieces.length;
  if (!isInTurn) await sendTogether(socket, Buffer.concat(pieces), random);
  const way = pick(random, ['wait', 'wait', 'wait', 'half-close', 'reset', 'destroy'] as const);
  if (way === 'half-close') socket.end();
  if (way === 'reset') reset();
  if (way === 'destroy') socket.destroy();
  const endMs = performance.now() + MAX_MS;
  while (!socket.destroyed && performance.now() < endMs && performance.now() - atMs < QUIET_MS) {
    // oxlint-disable-next-line no-await-in-loop -- looked at again and again
    await Promise.race([closed, delay(20)]);
  }
  socket.destroy();
  await closed;
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { messages, statuses };
}

function dial({ port, isTls }: Victim): { socket: Socket; reset: () => void } {
  const plain = connectPlain({ port, host: '127.0.0.1' });
  if (!isTls) return { socket: plain, reset: () => void plain.resetAndDestroy() };
  plain.on('error', () => undefined);
  const socket = connectSecure({ socket: plain, rejectUnauthorized: false });
  const reset = (): void => {
    socket.destroy();
    if (!plain.destroyed && !plain.connecting) plain.resetAndDestroy();
  };
  return { socket, reset };
}

/** Requests, or an upgrade and messages of a channel, or requests with an upgrade among them. */
function payload(identity: Identity, random: () => number): Buffer[] {
  const count = 1 + Math.floor(random() ** 3 * 40);
  const isChannel = random() < 0.35;
  const pieces: Buffer[] = [];
  for (let at = 0; at < count; at += 1) {
    const message = isChannel ? anyChannelMessage(identity, random) : anyRequest(identity, random);
    const isSound = random() < 0.5;
    pieces.push(isSound ? render(message) : mutateBytes(render(mutate(message, random)), random));
  }
  if (isChannel) pieces.unshift(render(upgradeRequest()));
  else if (random() < 0.15) {
    const upgrade = render(
      mutate(upgradeRequest(pick(random, ['h2c', 'cairn-channel/1', 'websocket'])), random),
    );
    pieces.splice(Math.floor(random() * pieces.length), 0, upgrade);
  }
  return pieces;
}

/** Each when something came for the one before, or soon after. Answers how many were sent before the server hung up. */
async function sendInTurn(socket: Socket, pieces: readonly Buffer[], came: () => number): Promise<number> {
  let sent = 0;
  for (const piece of pieces) {
    if (socket.destroyed) break;
    sent += 1;
    const before = came();
    socket.write(piece);
    for (let look = 0; look < 15 && came() === before && !socket.destroyed; look += 1) {
      // oxlint-disable-next-line no-await-in-loop -- looked at again and again
      await delay(2);
    }
  }
  return sent;
}

/** Without waiting for answers, in one piece or in many. */
async function sendTogether(socket: Socket, bytes: Buffer, random: () => number): Promise<void> {
  if (random() < 0.5) {
    socket.write(bytes);
    return;
  }
  const most = pick(random, [7, 50, 400, 3000]);
  // Very small pieces of very much would take for ever.
  const least = Math.ceil(bytes.length / 200);
  for (let at = 0; at < bytes.length && !socket.destroyed;) {
    const length = least + Math.floor(random() * most);
    socket.write(bytes.subarray(at, at + length));
    at += length;
    // oxlint-disable-next-line no-await-in-loop -- each is to be a packet of its own
    await turn();
  }
}
