/**
 * One document of a state store as a value of its type. It changes by compare-and-set: where another process has
 * changed it meanwhile, the change is applied again to the new value.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { createMutex } from '../../base/mutex.ts';
import { waitFor } from './looking.ts';
import type { StateStore } from './state-store.ts';

/** Describes a document; it stands beside the type of its value. */
export interface DocumentKind<T> {
  readonly key: string;
  /** Parses the text to the value. */
  readonly schema: v.GenericSchema<string, T>;
  format(value: T): string;
  /** The message for a text that the schema refuses; `where` names the document. */
  unreadable(where: string): string;
  /** Whether the text is a secret, which no error may quote. */
  readonly isSecret?: boolean;
}

/** Answers the new value; the same value, or undefined, for no change. May be called more than once. */
export type Update<T> = (now: T | undefined) => T | undefined;

/** A document that is open; there is nothing to close. */
export interface TypedDocument<T> {
  /** The value as last seen; undefined where there never was one. */
  readonly value: T | undefined;
  /**
   * Reads the current document. It pauses between two reads: clients that can make a server look must not make it read
   * without end.
   *
   * @throws CairnError `config-invalid` for a text that makes no sense, or a missing document: the value then stays;
   * storage codes
   */
  look(): Promise<void>;
  /**
   * Changes the document, durably; changes that wait together are written as one. An error of an update ends only its
   * own change.
   *
   * @throws CairnError `config-invalid`, `server-busy` where other processes change it without a pause; storage codes
   */
  change(update: Update<T>): Promise<void>;
  /** Looks whenever another process has changed the document, until the signal aborts. */
  follow(following: Following): void;
}

/** The end of following a document, and the callback for looks that fail; these are tried again until one succeeds. */
export interface Following {
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** Pause between two looks that callers asked for. */
const PAUSE_MS = 50;
/** Pause after a look that failed while following. */
const FOLLOW_AGAIN_MS = 250;
/** Tries, when other processes are faster. */
const MAX_TRIES = 200;
const MAX_STEP_BACK_MS = 20;

/** A change that waits for its turn. */
interface Waiting<T> {
  readonly update: Update<T>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** The state of a document as last seen; the version is null where there is none. */
interface Known<T> {
  readonly version: string | null;
  readonly value: T | undefined;
}

/** An open document. */
interface Held<T> {
  readonly state: StateStore;
  readonly kind: DocumentKind<T>;
  readonly onChange: (value: T) => void;
  known: Known<T>;
}

/**
 * Reads a document. From then on it calls `onChange` with each value that another process has made.
 *
 * @throws CairnError `config-invalid` for a text that makes no sense; storage codes
 */
export async function openDocument<T>(
  state: StateStore,
  kind: DocumentKind<T>,
  onChange: (value: T) => void = () => {},
): Promise<TypedDocument<T>> {
  const known = (await read(state, kind)) ?? { version: null, value: undefined };
  const held: Held<T> = { state, kind, onChange, known };
  let waiting: Waiting<T>[] = [];
  const inTurn = createMutex();
  const writeWaiting = async (): Promise<void> => {
    const changes = waiting;
    waiting = [];
    try {
      await write(held, changes);
    } catch (error) {
      for (const { failed } of changes) failed(error);
    }
  };
  const look = paced(() =>
    inTurn(async () => {
      if ((await takeOver(held)) || held.known.version === null) return;
      throw new CairnError('config-invalid', `"${state.where(kind.key)}" is gone`);
    }),
  );
  return {
    get value() {
      return held.known.value;
    },
    look,
    change: (update) =>
      new Promise((done, failed) => {
        waiting.push({ update, done, failed });
        if (waiting.length === 1) void inTurn(writeWaiting);
      }),
    follow: (following) => void follow(() => state.watch(kind.key, following.signal), look, following),
  };
}

/** What `make` makes of a document's value, made anew only after the document has changed. */
export function derivedFrom<T, Derived>(
  document: Pick<TypedDocument<T>, 'value'>,
  make: (value: T | undefined) => Derived,
): () => Derived {
  let { value } = document;
  let derived = make(value);
  return () => {
    if (document.value === value) return derived;
    value = document.value;
    derived = make(value);
    return derived;
  };
}

/** Writes changes as one, and settles them. @throws CairnError as `TypedDocument.change` */
async function write<T>(held: Held<T>, changes: readonly Waiting<T>[]): Promise<void> {
  const { state, kind } = held;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { version, value: before } = held.known;
    const { value, refused } = applied(changes, before);
    const text = value === undefined || value === before ? undefined : kind.format(value);
    // oxlint-disable-next-line no-await-in-loop -- one try after the other
    const written = text === undefined ? version : await state.compareAndSet(kind.key, version, text);
    if (text === undefined || written !== undefined) {
      held.known = { version: written ?? null, value };
      for (const change of changes) settle(change, refused);
      return;
    }
    // oxlint-disable-next-line no-await-in-loop -- as above
    if (!(await takeOver(held))) held.known = { version: null, value: before };
    // oxlint-disable-next-line no-await-in-loop -- so that two that met do not meet again
    await sleep(Math.random() * MAX_STEP_BACK_MS);
  }
  const message = `"${state.where(kind.key)}" is changed by other processes again and again; try again later`;
  throw new CairnError('server-busy', message);
}

/** Takes over the current document; false where there is none, or none any more. */
async function takeOver<T>(held: Held<T>): Promise<boolean> {
  const there = await read(held.state, held.kind, held.known);
  if (there === undefined) return false;
  if (there === held.known) return true;
  held.known = there;
  if (there.value !== undefined) held.onChange(there.value);
  return true;
}

/** Reads the current document; answers `known` itself where it is unchanged; undefined where there is none. */
async function read<T>(
  state: StateStore,
  { key, schema, unreadable, isSecret = false }: DocumentKind<T>,
  known?: Known<T>,
): Promise<Known<T> | undefined> {
  const version = known?.version ?? undefined;
  const found = await (version === undefined ? state.get(key) : state.getUnless(key, version));
  if (found === 'unchanged') return known;
  if (found === undefined) return undefined;
  try {
    return { version: found.version, value: v.parse(schema, found.text) };
  } catch (error) {
    throw new CairnError('config-invalid', unreadable(state.where(key)), isSecret ? {} : { cause: error });
  }
}

/** Applies all changes to a value, one after the other; `refused`: the errors of those that threw. */
function applied<T>(
  changes: readonly Waiting<T>[],
  before: T | undefined,
): { readonly value: T | undefined; readonly refused: ReadonlyMap<Waiting<T>, unknown> } {
  const refused = new Map<Waiting<T>, unknown>();
  let value = before;
  for (const change of changes) {
    try {
      value = change.update(value) ?? value;
    } catch (error) {
      refused.set(change, error);
    }
  }
  return { value, refused };
}

function settle<T>(change: Waiting<T>, refused: ReadonlyMap<Waiting<T>, unknown>): void {
  if (refused.has(change)) change.failed(refused.get(change));
  else change.done();
}

/** The same work with a pause before each run; callers that ask before the next run share it. */
function paced(work: () => Promise<void>): () => Promise<void> {
  let beganAtMs = -Infinity;
  let next: Promise<void> | undefined;
  const soon = async (): Promise<void> => {
    const pauseMs = PAUSE_MS - (performance.now() - beganAtMs);
    // Always in a later turn, after "next" has been set.
    await sleep(Math.max(0, pauseMs), undefined, { ref: false });
    next = undefined;
    beganAtMs = performance.now();
    await work();
  };
  // A run that has started may be too early for a caller that asks now.
  return () => (next ??= soon());
}

async function follow(
  watch: () => AsyncIterable<unknown>,
  look: () => Promise<void>,
  { signal, onError }: Following,
): Promise<void> {
  do {
    try {
      // The first item says that the watch has begun: this also reads earlier changes.
      for await (const _ of watch()) await look();
    } catch (error) {
      onError(error);
    }
  } while (await waitFor(FOLLOW_AGAIN_MS, signal));
}
