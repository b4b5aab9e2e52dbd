import type { Directory } from '../../../base/directory.ts';

/** The final name of an entry, in an open directory. */
export interface FinalPlace {
  readonly directory: Directory;
  readonly name: string;
}
