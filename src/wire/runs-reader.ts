/**
 * Reads a JSON object with long lists of runs as it arrives: it keeps no list as text or as numbers, and no piece of
 * bytes after the next one has arrived.
 */
import { CairnError } from '../base/errors.ts';

/** Takes the runs of one list, one after the other. @throws CairnError `invalid-request` */
export type RunSink = (start: number, length: number) => void;

/** Reads one object. All throw CairnError `invalid-request`. */
export interface RunsReader {
  push(bytes: Uint8Array): void;
  /** Returns the other members; every list must have been there. */
  finish(): Record<string, unknown>;
}

/** Longest text without the lists, in bytes. */
const MAX_OTHER_BYTES = 64 * 1024;
/** A number with more digits is no index. */
const MAX_DIGITS = 15;

const [QUOTE, COMMA, MINUS, ZERO, NINE] = [0x22, 0x2c, 0x2d, 0x30, 0x39];
const [OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE] = [0x5b, 0x5c, 0x5d, 0x7b, 0x7d];
const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** @param sinks the lists by the names of their members; `what` is the message, for errors */
export function createRunsReader(sinks: ReadonlyMap<string, RunSink>, what: string): RunsReader {
  const refuse = (why: string): CairnError =>
    new CairnError('invalid-request', `${what} is not valid: ${why}`);
  const others = createOthers(refuse);
  const seen = new Set<string>();
  let list: ListReader | undefined;
  const begin = (): void => {
    const name = others.lastName();
    const sink = name === undefined ? undefined : sinks.get(name);
    if (name === undefined || sink === undefined) return;
    if (seen.has(name)) throw refuse(`it has "${name}" twice`);
    seen.add(name);
    list = createListReader(sink, refuse);
  };
  return {
    push: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        if (list === undefined) at = others.read(bytes, at, begin);
        else {
          at = list.read(bytes, at);
          if (list.isOver()) list = undefined;
        }
      }
    },
    finish: () => {
      const value = others.parse();
      for (const name of sinks.keys()) {
        // A list whose name or form differs from what clients write would have missed its sink.
        if (!seen.has(name) || !Array.isArray(value[name]) || value[name].length > 0)
          throw refuse(`it needs a list "${name}"`);
        delete value[name];
      }
      return value;
    },
  };
}

interface Others {
  /** Reads up to the first byte of a list directly in the object, and calls `onList` there; returns how far it read. */
  read(bytes: Uint8Array, from: number, onList: () => void): number;
  /** The last string directly in the object: the name of the member that follows. */
  lastName(): string | undefined;
  parse(): Record<string, unknown>;
}

/** Keeps everything but the items of the lists, which it keeps as empty lists. */
function createOthers(refuse: (why: string) => CairnError): Others {
  const kept: Buffer[] = [];
  let [keptBytes, depth] = [0, 0];
  const text = createTextReader();
  const keep = (bytes: Uint8Array): void => {
    keptBytes += bytes.length;
    if (keptBytes > MAX_OTHER_BYTES) throw refuse('it is too long');
    kept.push(Buffer.from(bytes));
  };
  return {
    read: (bytes, from, onList) => {
      for (let at = text.read(bytes, from); at < bytes.length; at++) {
        const byte = bytes[at]!;
        if (byte === QUOTE) at = text.begin(bytes, at + 1, depth === 1) - 1;
        else if (byte === OPEN) depth += 1;
        else if (byte === CLOSE || byte === CLOSE_LIST) depth -= 1;
        else if (byte === OPEN_LIST) {
          depth += 1;
          if (depth !== 2) continue;
          keep(bytes.subarray(from, at + 1));
          onList();
          return at + 1;
        }
      }
      keep(bytes.subarray(from));
      return bytes.length;
    },
    lastName: text.last,
    parse: () => parseObject(Buffer.concat(kept), refuse),
  };
}

interface TextReader {
  /** Reads a string from behind its opening quote; `isName` for one that may be a name. */
  begin(bytes: Uint8Array, from: number, isName: boolean): number;
  /** Reads on in an open string, if there is one, to behind its closing quote. */
  read(bytes: Uint8Array, from: number): number;
  /** The last string that may be a name, with its escapes. */
  last(): string | undefined;
}

function createTextReader(): TextReader {
  let [isOpen, isEscaped, isName] = [false, false, false];
  let parts: Buffer[] = [];
  let last: string | undefined;
  const read = (bytes: Uint8Array, from: number): number => {
    if (!isOpen) return from;
    let at = from;
    for (; at < bytes.length && isOpen; at++) {
      if (isEscaped) isEscaped = false;
      else if (bytes[at] === BACKSLASH) isEscaped = true;
      else if (bytes[at] === QUOTE) isOpen = false;
    }
    if (isName) parts.push(Buffer.from(bytes.subarray(from, isOpen ? at : at - 1)));
    if (isName && !isOpen) last = Buffer.concat(parts).toString();
    return at;
  };
  return {
    begin: (bytes, from, mayBeName) => {
      [isOpen, isEscaped, isName] = [true, false, mayBeName];
      parts = [];
      return read(bytes, from);
    },
    read,
    last: () => last,
  };
}

function parseObject(bytes: Uint8Array, refuse: (why: string) => CairnError): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw refuse('it is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('it is no object');
  return { ...value };
}

interface ListReader {
  /** Reads up to the closing bracket of the list, or to the end of the bytes; returns how far it read. */
  read(bytes: Uint8Array, from: number): number;
  isOver(): boolean;
}

/** Reads `start, length, start, length, …` in whole numbers. */
function createListReader(sink: RunSink, refuse: (why: string) => CairnError): ListReader {
  let [value, digits, count, start] = [0, 0, 0, 0];
  let [isDone, isAfterComma, isAfterNumber] = [false, false, false];
  const digit = (byte: number): void => {
    if (isAfterNumber || digits === MAX_DIGITS || (digits > 0 && value === 0))
      throw refuse('a run is made of two whole numbers');
    value = value * 10 + (byte - ZERO);
    digits += 1;
  };
  const endNumber = (): void => {
    if (digits === 0) return;
    if (count % 2 === 0) start = value;
    else sink(start, value);
    count += 1;
    [value, digits, isAfterNumber, isAfterComma] = [0, 0, true, false];
  };
  const other = (byte: number): void => {
    endNumber();
    if (byte === COMMA && isAfterNumber) [isAfterNumber, isAfterComma] = [false, true];
    else if (byte === CLOSE_LIST && !isAfterComma && count % 2 === 0) isDone = true;
    else if (!isBlank(byte)) {
      const why = byte === MINUS || byte === 0x2e ? 'not an integer' : 'a list of runs is broken';
      throw refuse(why);
    }
  };
  return {
    isOver: () => isDone,
    read: (bytes, from) => {
      for (let at = from; at < bytes.length; at++) {
        const byte = bytes[at]!;
        if (byte >= ZERO && byte <= NINE) digit(byte);
        else other(byte);
        // The reader of everything else takes the closing bracket.
        if (isDone) return at;
      }
      return bytes.length;
    },
  };
}
