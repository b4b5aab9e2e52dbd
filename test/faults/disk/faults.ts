/** Faults at each call that a transfer makes, in an order in which neighbours are far from each other. */
import { countCalls } from '../support/attach.ts';
import type { Injection } from '../support/strace.ts';

/** One fault at each call of these kinds that the trace of a clean run shows; `words` says which, and for how long. */
export function faultsIn(
  trace: string,
  calls: readonly string[],
  words: (call: string, at: number) => Injection,
): Injection[] {
  const counts = countCalls(trace);
  return calls.flatMap((call) =>
    Array.from({ length: counts.get(call) ?? 0 }, (_, index) => words(call, index + 1)),
  );
}

/** The fault of a seed: as many seeds in a row as there are faults reach each of them once. */
export function faultAt(faults: readonly Injection[], seed: number): Injection {
  // A prime, and more than the calls of any transfer here.
  return faults[(seed * 7919) % faults.length]!;
}

/** What asks the disk for space, beside an open that makes a file: see {@link creatingFaults}. */
export const SPACE_CALLS = [
  'pwrite64',
  'pwritev',
  'fdatasync',
  'fsync',
  'syncfs',
  'mkdir',
  'mkdirat',
  'rename',
  'renameat',
  'renameat2',
  'link',
];

/** A full disk stays full: the fault begins at one call and lasts. */
export function noSpace(call: string, at: number): Injection {
  return `${call}:error=ENOSPC:when=${at}+`;
}

/**
 * No room for a new name, once at each open that makes a file. Once: whoever only opens a file needs no room, and strace
 * does not tell them apart.
 */
export function creatingFaults(trace: string): Injection[] {
  const counts = new Map<string, number>();
  const places = new Set<number>();
  for (const [, thread, words] of trace.matchAll(/^(\d+) +openat\((.*)$/gm)) {
    const count = (counts.get(thread!) ?? 0) + 1;
    counts.set(thread!, count);
    if (words!.includes('O_CREAT')) places.add(count);
  }
  return Array.from(places, (at) => `openat:error=ENOSPC:when=${at}`);
}

/** What says whether data is durable. */
export const SYNC_CALLS = ['fdatasync', 'fsync', 'syncfs'];

/** A page that could not be written, once: the kernel says so to the next sync, and to that alone. */
export function lostPage(call: string, at: number): Injection {
  return `${call}:error=EIO:when=${at}`;
}
