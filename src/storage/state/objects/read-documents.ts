/** Documents that were read, as far as there is room: who lists again reads only those that have changed. */
import type { StateDocument } from '../state-store.ts';

/** Such documents; those that came first go first. */
export interface ReadDocuments {
  /** The document of this version, if it is kept. */
  find(key: string, version: string): StateDocument | undefined;
  keep(document: StateDocument): void;
}

/** @param maxCharacters of all texts together */
export function createReadDocuments(maxCharacters: number): ReadDocuments {
  const kept = new Map<string, StateDocument>();
  let characters = 0;
  const drop = (document: StateDocument | undefined): void => {
    if (document === undefined) return;
    kept.delete(document.key);
    characters -= document.text.length;
  };
  return {
    find: (key, version) => {
      const document = kept.get(key);
      return document?.version === version ? document : undefined;
    },
    keep: (document) => {
      drop(kept.get(document.key));
      if (document.text.length > maxCharacters) return;
      kept.set(document.key, document);
      characters += document.text.length;
      for (const oldest of kept.values()) {
        if (characters <= maxCharacters) return;
        drop(oldest);
      }
    },
  };
}
