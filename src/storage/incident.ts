/** What a store finds wrong with what it keeps, and how much it does about it. */

/** What was found. */
export type IncidentKind =
  | 'record-unreadable'
  | 'temporary-file'
  | 'journal-torn'
  | 'journal-damaged'
  | 'journal-foreign'
  | 'journal-missing'
  | 'chunks-short'
  | 'stray-file';

/** Something that a store found wrong, and has repaired, unless it was told to {@link Upkeep report} only. */
export interface StoreIncident {
  readonly kind: IncidentKind;
  /** The session whose it is; undefined where it is nobody's. */
  readonly session: string | undefined;
  /** What is wrong, for people; printable. */
  readonly problem: string;
  /** What was done about it, or would be, as a participle: "cut off", "removed". */
  readonly remedy: string;
}

/** Told of what was found. */
export type IncidentSink = (incident: StoreIncident) => void;

/**
 * What a store does when it is opened. `usual`: what must be, so that nothing wrong is ever trusted. `thorough`: it
 * also tidies, and tells of what heals by itself. `report`: the same, but nothing that is kept changes.
 */
export type Upkeep = 'usual' | 'thorough' | 'report';
