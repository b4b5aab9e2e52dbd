/**
 * A push of a large tree that has not changed: both sides look at their own at the same time, and compare one id. Whatever
 * comes between leaves it to a session, which compares entry by entry, to find out which are missing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { transferDigest } from '../../manifest/digest.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import type { Entry } from '../../manifest/entry.ts';
import { createManifestHash, TREE_ID_PARAMETERS } from '../../manifest/manifest.ts';
import { getTreeId } from '../session/session-calls.ts';
import { emptyResult, type PassResult } from '../transfer/pass-result.ts';
import { linkedController } from '../../base/abort-signals.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { ScannedSource } from './source.ts';

/** From so many entries on a session costs so much more than the question that the question may be in vain. */
const MIN_ENTRIES = 1000;
/** How much longer than this side the server may look at its own, in milliseconds. */
const GRACE_MS = 250;

/** A look at the target beside the scan of the source. */
export interface TargetLook {
  /** Takes the next entries of the source, and how many it has so far: a large one is worth the question. */
  found(entries: number, next: readonly Entry[]): void;
  /** The result, where what was scanned is there already, every name, size, time and mode; else undefined. */
  unchanged(scanned: Pick<ScannedSource, 'entries' | 'notices'>): Promise<PassResult | undefined>;
  /** Ends it, whatever has come of it. */
  end(): void;
}

/** Prepares the look at `target`, with metadata of some kinds; nothing is asked yet. */
export function lookAtTarget(
  { server, signal, report, now }: Pick<TransferContext, 'server' | 'signal' | 'report' | 'now'>,
  target: string,
  kinds: readonly MetadataKind[] = [],
): TargetLook {
  const metadata = kinds.length === 0 ? undefined : kinds;
  const life = linkedController(signal);
  const question = life.controller.signal;
  let asked: { readonly answer: Promise<string | null>; readonly atMs: number } | undefined;
  let isDenied = false;
  // An id that is made meanwhile needs no second look at the entries.
  const hash = createManifestHash({ ...TREE_ID_PARAMETERS, metadata });
  const ask = async (): Promise<string | null> => {
    // What went wrong will go wrong with the session, too, and is told then.
    const id = await getTreeId(server, { target, metadata: metadata && [...metadata] }, question).catch(
      () => null,
    );
    isDenied = id === null;
    return id;
  };
  return {
    found: (entries, next) => {
      if (!isDenied && server.hasTreeIds) hash.add(next);
      if (entries < MIN_ENTRIES || !server.hasTreeIds || asked !== undefined) return;
      asked = { answer: ask(), atMs: now() };
    },
    unchanged: async ({ entries, notices }) => {
      if (asked === undefined || isDenied || notices.length > 0) return undefined;
      report({ type: 'phase', phase: 'comparing', entries: entries.length });
      const manifest = { ...TREE_ID_PARAMETERS, ...(metadata && { metadata }), entries, ...hash.finish() };
      const patienceMs = now() - asked.atMs + GRACE_MS;
      const late = wait(patienceMs, null, { signal: question }).catch(() => null);
      const theirs = await Promise.race([asked.answer, late]);
      signal.throwIfAborted();
      if (theirs !== manifest.id) return undefined;
      const plan = { have: [0, entries.length], attributes: [] };
      return emptyResult(manifest, plan, transferDigest(manifest.id, 0, []));
    },
    end: () => {
      life.letGo();
      life.controller.abort();
    },
  };
}
