/** What can be broken: bytes that were acknowledged are gone, a final path is torn, exit 0 was no success, or else. */
export type ViolationKind = 'lost' | 'mixture' | 'false-success' | 'outside' | 'leak' | 'secret' | 'unclear';

/** A promise was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly kind: ViolationKind;
  /** Bytes for `lost`; else how many. */
  readonly amount: number;

  constructor(kind: ViolationKind, message: string, amount = 1) {
    super(`${kind}: ${message}`);
    this.kind = kind;
    this.amount = amount;
  }
}
