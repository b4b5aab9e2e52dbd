/** What the modules of this folder stand on: they take the place of Node's own in the code under test. */
import type { Realm } from '../realm.ts';

declare global {
  /** The parameter of the function that the bundle of the code under test is. */
  const simulatedRealm: Realm;
}

/** The process that runs now in this copy of the code under test. */
export const realm: Realm = simulatedRealm;
