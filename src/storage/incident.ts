/** Faults that a store finds in its data, and how much it does about them. */

/** The kind of fault. */
export type IncidentKind =
  | 'record-unreadable'
  | 'temporary-file'
  | 'journal-torn'
  | 'journal-damaged'
  | 'journal-foreign'
  | 'journal-missing'
  | 'chunks-short'
  | 'stray-file';

/** A fault that a store has found, and has repaired, unless it was told to {@link Upkeep report} only. */
export interface StoreIncident {
  readonly kind: IncidentKind;
  /** The session that it concerns; undefined where it concerns none. */
  readonly session: string | undefined;
  /** The fault, for people; printable. */
  readonly problem: string;
  /** The repair, done or proposed, as a participle: "cut off", "removed". */
  readonly remedy: string;
}

/** Called with each incident. */
export type IncidentSink = (incident: StoreIncident) => void;

/**
 * The work of a store when it opens. `usual`: the repairs without which wrong data would be trusted. `thorough`: it
 * also tidies, and reports faults that heal by themselves. `report`: the same, but it changes no data.
 */
export type Upkeep = 'usual' | 'thorough' | 'report';
