/** Finds where one HTTP message ends, well enough that a parser gets no more than one at a time. */
import type { IncomingMessage } from 'node:http';

/** The end of a head, and of the last piece of a chunked body. */
const END = Buffer.from('\r\n\r\n');
const [CR, LF] = [0x0d, 0x0a];
/** Shorter pieces of a chunked body would cost more than the few small requests that one of this size may contain. */
const LEAST_PIECE_BYTES = 512;

/** Cuts the bytes of one connection into messages. It is no parser: after a wrong cut the parser still reads right. */
export interface MessageCutter {
  /** How many of these bytes, at least one, to give to the parser at once. */
  next(bytes: Uint8Array): number;
  /** Notes that the parser has read the head of a message in the bytes of the last cut. */
  began(message: IncomingMessage): void;
}

/** Makes a cutter that stands at the beginning of a message. */
export function createMessageCutter(): MessageCutter {
  let message: IncomingMessage | undefined;
  /** Bytes left of a body whose length is known. */
  let leftBytes = 0;
  /** Last bytes of a head that has not ended. */
  let tail: Uint8Array = END.subarray(0, 0);
  return {
    next: (bytes) => {
      if (message !== undefined && !message.complete) {
        if (leftBytes === 0) return Math.max(endIn(bytes, tail) ?? bytes.byteLength, least(bytes));
        const length = Math.min(leftBytes, bytes.byteLength);
        leftBytes -= length;
        return length;
      }
      const end = endIn(bytes, tail);
      const joined = end === undefined ? Buffer.concat([tail, bytes.subarray(-END.length + 1)]) : END;
      tail = end === undefined ? joined.subarray(-END.length + 1) : joined.subarray(0, 0);
      return end ?? bytes.byteLength;
    },
    began: (next) => {
      message = next;
      tail = END.subarray(0, 0);
      leftBytes = next.complete ? 0 : Number(next.headers['content-length'] ?? 0);
    },
  };
}

function least({ byteLength }: Uint8Array): number {
  return Math.min(LEAST_PIECE_BYTES, byteLength);
}

/** The index behind the first end of a head and behind the empty lines that a parser skips there. */
function endIn(bytes: Uint8Array, tail: Uint8Array): number | undefined {
  const begin = Buffer.concat([tail, bytes.subarray(0, END.length - 1)]);
  const across = tail.byteLength === 0 ? -1 : begin.indexOf(END);
  const within = across < 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(END) : -1;
  if (across < 0 && within < 0) return undefined;
  let end = (across < 0 ? within : across - tail.byteLength) + END.length;
  while (bytes[end] === CR || bytes[end] === LF) end += 1;
  return end;
}
