/** What a publishing left out, kept with the commit, so that whoever finds the commit done can tell the same again. */
import * as v from 'valibot';
import { randomBytes } from 'node:crypto';
import { CairnError, isErrorCode } from '../../base/errors.ts';
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { PublishOrder } from '../content-store.ts';

/** An entry by its index, and why it was left out. */
type LeftOut = readonly [index: number, error: CairnError];

/** What an order's functions are told at the end. */
export interface PublishOutcome {
  readonly refused: readonly LeftOut[];
  /** Listed entries that stay. */
  readonly kept: readonly LeftOut[];
  /** Whether nothing was removed, since an entry was refused. */
  readonly isSkipped: boolean;
}

const leftOut = v.tuple([v.number(), v.string(), v.string(), v.record(v.string(), v.any())]);
const schema = v.object({ refused: v.array(leftOut), kept: v.array(leftOut), isSkipped: v.boolean() });

/** The same order, whose functions collect the outcome; `outcome` gives it. */
export function recordOutcome(order: PublishOrder): {
  readonly recorded: PublishOrder;
  readonly outcome: () => PublishOutcome;
} {
  const refused: LeftOut[] = [];
  const kept: LeftOut[] = [];
  let isSkipped = false;
  const recorded: PublishOrder = {
    ...order,
    onRefused:
      order.onRefused === undefined ? undefined : (index, error) => void refused.push([index, error]),
    removal: order.removal && {
      entries: order.removal.entries,
      onKept: (index, error) => void kept.push([index, error]),
      onSkipped: () => void (isSkipped = true),
    },
  };
  return { recorded, outcome: () => ({ refused, kept, isSkipped }) };
}

/** Tells an order what the outcome was. */
export function tellOutcome(order: PublishOrder, { refused, kept, isSkipped }: PublishOutcome): void {
  for (const [index, error] of refused) order.onRefused?.(index, error);
  for (const [index, error] of kept) order.removal?.onKept(index, error);
  if (isSkipped) order.removal?.onSkipped();
}

/** Keeps an outcome durably; answers its key, or null where nothing was left out. @throws CairnError storage codes */
export async function saveOutcome(
  objects: Pick<ObjectStore, 'put'>,
  prefix: string,
  { refused, kept, isSkipped }: PublishOutcome,
): Promise<string | null> {
  if (refused.length + kept.length === 0 && !isSkipped) return null;
  const rows = (all: readonly LeftOut[]) =>
    all.map(([index, { code, message, details }]) => [index, code, message, details]);
  const text = JSON.stringify({ refused: rows(refused), kept: rows(kept), isSkipped });
  const key = `${prefix}${randomBytes(12).toString('hex')}`;
  await objects.put(key, Buffer.from(text));
  return key;
}

/** Reads what {@link saveOutcome} kept. @throws CairnError `storage-io` where it is gone or damaged */
export async function loadOutcome(
  objects: Pick<ObjectStore, 'get'>,
  key: string | null,
): Promise<PublishOutcome> {
  if (key === null) return { refused: [], kept: [], isSkipped: false };
  const found = await objects.get(key);
  const text = found === undefined || found === 'unchanged' ? '' : (await bytesOfObject(found)).toString();
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (!result.success)
    throw new CairnError('storage-io', `what a commit left out cannot be read: "${key}"`, {
      details: { key },
    });
  const errors = (rows: v.InferOutput<typeof schema>['refused']): LeftOut[] =>
    rows.map(([index, code, message, details]) => [
      index,
      new CairnError(isErrorCode(code) ? code : 'internal', message, { details }),
    ]);
  const { refused, kept, isSkipped } = result.output;
  return { refused: errors(refused), kept: errors(kept), isSkipped };
}
