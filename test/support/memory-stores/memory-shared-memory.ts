/** A {@link SharedMemory} of nodes in one process, which can be away, emptied, or put back to an earlier moment. */
import type { SharedMemory } from '../../../src/storage/state/shared-memory.ts';

interface Content {
  readonly counts: Map<string, { count: number; readonly endsAtMs: number }>;
  readonly versions: Map<string, number>;
  readonly list: { readonly node: number; readonly text: string }[];
}

/** The memory that nodes share. */
export interface MemoryHub {
  /** The memory as one more node has it. */
  node(): SharedMemory;
  isAway: boolean;
  /** Forgets everything. */
  empty(): void;
  /** Keeps what is there for `restore`. */
  save(): void;
  restore(): void;
  /** How often a node has asked for something. */
  asked: Record<'ring' | 'count' | 'noteVersion' | 'versionOf' | 'append', number>;
}

/** Makes an empty one. @param now milliseconds, which only grow */
export function createMemoryHub(now: () => number = () => performance.now()): MemoryHub {
  let content: Content = { counts: new Map(), versions: new Map(), list: [] };
  let saved = content;
  const listeners = new Map<number, Set<(keys: readonly string[] | undefined) => void>>();
  let nodes = 0;
  const hub: MemoryHub = {
    isAway: false,
    empty: () => {
      content = { counts: new Map(), versions: new Map(), list: [] };
    },
    save: () => {
      saved = structuredClone(content);
    },
    restore: () => {
      content = structuredClone(saved);
    },
    asked: { ring: 0, count: 0, noteVersion: 0, versionOf: 0, append: 0 },
    node: () => {
      const node = nodes;
      nodes += 1;
      const own = new Set<(keys: readonly string[] | undefined) => void>();
      listeners.set(node, own);
      let known = content;
      let seen = 0;
      return {
        get isThere() {
          return !hub.isAway;
        },
        asked: { answered: 0, failed: 0, skipped: 0 },
        ring: async (keys) => {
          hub.asked.ring += 1;
          if (hub.isAway) return;
          for (const [other, theirs] of listeners) if (other !== node) for (const told of theirs) told(keys);
        },
        listen: (onRung) => {
          own.add(onRung);
          return () => own.delete(onRung);
        },
        count: async (key, windowMs) => {
          hub.asked.count += 1;
          if (hub.isAway) return undefined;
          const before = content.counts.get(key);
          const window =
            before === undefined || before.endsAtMs <= now()
              ? { count: 0, endsAtMs: now() + windowMs }
              : before;
          window.count += 1;
          content.counts.set(key, window);
          return { count: window.count, leftMs: window.endsAtMs - now() };
        },
        noteVersion: async (key, version) => {
          hub.asked.noteVersion += 1;
          if (!hub.isAway) content.versions.set(key, Math.max(version, content.versions.get(key) ?? 0));
        },
        versionOf: async (key) => {
          hub.asked.versionOf += 1;
          return hub.isAway ? undefined : content.versions.get(key);
        },
        append: async (text) => {
          hub.asked.append += 1;
          if (hub.isAway) return undefined;
          if (known !== content) seen = 0;
          known = content;
          const fresh = content.list.slice(seen).filter((entry) => entry.node !== node);
          content.list.push({ node, text });
          seen = content.list.length;
          return fresh.map((entry) => entry.text);
        },
        close: () => own.clear(),
      };
    },
  };
  return hub;
}
