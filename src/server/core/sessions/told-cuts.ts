/** The recipes of new files that clients of pushes have told: kept for the next transfer, once the files are published. */
import type { CairnError } from '../../../base/errors.ts';
import type { Cuts } from '../../../manifest/kept-cuts-format.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { KeptCuts } from '../../../storage/state/kept-cuts.ts';
import {
  forgetOlderCuts,
  keepCutsToCome,
  keepPublishedCuts,
  type Published,
} from '../../../storage/state/published-cuts.ts';
import type { LiveSession } from './live-session.ts';

/** What becomes of recipes. */
export interface ToldCuts {
  /** Takes what a client tells of an entry. */
  take(live: LiveSession, cuts: Cuts): Promise<void>;
  /** The files of a push are in their places. */
  published(live: LiveSession): Promise<void>;
  /** A commit has failed: older versions that were others by now are not to be believed again. */
  failed(live: LiveSession, error: CairnError): Promise<void>;
}

/** Makes them; without a place to keep recipes nothing becomes of them. */
export function createToldCuts(kept: KeptCuts | undefined, store: ContentStore): ToldCuts {
  const placeOf = async (live: LiveSession): Promise<Published> => ({
    store,
    target: live.record.value.target,
    manifest: await live.content.manifest.get(),
  });
  return {
    take: async (live, cuts) => {
      if (kept !== undefined) await keepCutsToCome(kept, await live.content.manifest.get(), cuts);
    },
    published: async (live) => {
      const { parts } = await live.content.agreedPlan();
      if (kept !== undefined && parts !== undefined)
        await keepPublishedCuts(kept, await placeOf(live), parts.assemblies);
    },
    failed: async (live, { code, details: { entries } }) => {
      if (kept === undefined || code !== 'chunks-missing' || !Array.isArray(entries)) return;
      await forgetOlderCuts(kept, await placeOf(live), entries as number[]);
    },
  };
}
