/** Which metadata a transfer carries: what the user asked for, as far as both sides can. What they cannot is told. */
import { CairnError } from '../../base/errors.ts';
import { loadNative } from '../../base/native.ts';
import {
  knownKinds,
  type MetadataKind,
  type Uncarried,
  type UncarriedCounts,
} from '../../manifest/metadata.ts';
import { metadataAbilities } from '../../storage/disk/tree/metadata-abilities.ts';
import type { Report } from '../api/events.ts';
import type { TransferOptions } from '../api/options.ts';
import type { Server } from '../http/server-calls.ts';
import { METADATA_WORDS } from '../session/unkept-report.ts';
import type { PassResult } from './pass-result.ts';

/** The kinds of one transfer. */
export interface MetadataWishes {
  /** What both sides can do, in the order of `METADATA_KINDS`. */
  readonly kinds: readonly MetadataKind[];
  /** What they cannot do. */
  readonly dropped: readonly DroppedKind[];
}

interface DroppedKind {
  readonly kind: MetadataKind;
  readonly why: string;
}

const UNCARRIED_WORDS: Readonly<Record<Uncarried, string>> = {
  'set-id bits': 'a set-user-id or set-group-id bit',
  'system attributes': 'attributes of the system (security.*, trusted.*)',
};
const NOTHING: MetadataWishes = { kinds: [], dropped: [] };
const NOT_HERE = 'this machine cannot';
const NOT_THERE = {
  push: 'the server does not set them (an operator allows that by: cairn serve --allow-owners)',
  pull: 'the server does not tell them',
} as const;

/**
 * Compares what was asked for with what both sides can.
 *
 * @throws CairnError `version-unsupported` where the server is too old to know of metadata
 */
export async function metadataWishes(
  { metadata = [] }: Pick<TransferOptions, 'metadata'>,
  direction: 'push' | 'pull',
  server: Pick<Server, 'metadata'>,
): Promise<MetadataWishes> {
  if (metadata.length === 0) return NOTHING;
  if (server.metadata === undefined) throw tooOld(metadata);
  const { tells, keeps } = metadataAbilities(await loadNative());
  const here = direction === 'push' ? tells : keeps;
  const there = server.metadata[direction];
  const wanted = knownKinds(metadata);
  const dropped = wanted.flatMap((kind): DroppedKind[] => {
    if (!here.includes(kind)) return [{ kind, why: NOT_HERE }];
    return there.includes(kind) ? [] : [{ kind, why: NOT_THERE[direction] }];
  });
  return { kinds: wanted.filter((kind) => here.includes(kind) && there.includes(kind)), dropped };
}

/** Names each kind that was dropped, once; answers how many times an entry lacks one, undefined where none was wished. */
export function droppedBy(
  { dropped }: MetadataWishes,
  { metadata = [], report }: Pick<TransferOptions, 'metadata' | 'report'>,
  { entries }: Pick<PassResult, 'entries'>,
): number | undefined {
  if (metadata.length === 0) return undefined;
  // Without names the numbers count, which is no loss by itself.
  const lost = dropped.filter(({ kind }) => kind !== 'names');
  for (const { kind, why } of lost)
    report({ type: 'notice', message: `${METADATA_WORDS[kind]} are not kept (${entries} entries): ${why}` });
  return lost.length * entries;
}

function tooOld(kinds: readonly MetadataKind[]): CairnError {
  const words = kinds.filter((kind) => kind !== 'names').map((kind) => METADATA_WORDS[kind]);
  return new CairnError(
    'version-unsupported',
    `the server is of an older version and cannot carry ${words.join(', ')}; nothing was sent: install a newer cairn there, or leave these options out`,
  );
}

/** Says once a kind how many entries have something that no transfer carries. */
export function tellUncarried(report: Report, uncarried: UncarriedCounts): void {
  for (const [what, count] of uncarried) {
    const entries = count === 1 ? '1 entry has' : `${count} entries have`;
    report({ type: 'notice', message: `${entries} ${UNCARRIED_WORDS[what]}, which cairn does not carry` });
  }
}
