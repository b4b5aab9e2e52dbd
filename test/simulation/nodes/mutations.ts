/** Each rule that keeps nodes safe, and a change of the source that breaks it. */
import type { Mutation } from '../realm.ts';

/** By what is wrong then. */
export const NODE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  'the root is replaced whatever it has become': {
    file: 'storage/object-content/tree-root.ts',
    find: '{ ifMatch: root.etag }',
    replace: '{}',
  },
  'a put under a condition whose outcome is not known counts as done': {
    file: 'storage/objects/s3/put-s3-object.ts',
    find: "if ('unknown' in outcome) doubt = outcome.unknown;",
    replace: "if ('unknown' in outcome) return 'unknown';",
  },
  'a publisher does not note that it has begun': {
    file: 'server/core/sessions/publisher-claim.ts',
    find: '      await renew(true);\n      isBegun = true;',
    replace: '      isBegun = true;',
  },
  'a publisher does not look whether its session is published already': {
    file: 'storage/object-content/commit-tree.ts',
    find: 'const done = root.recent.find(isThis);\n    outcome',
    replace: 'const done = root.recent.slice(0, 0).find(isThis);\n    outcome',
  },
  'a publisher does not ask whether its claim still stands': {
    file: 'storage/object-content/commit-tree.ts',
    find: 'await order.confirm?.().catch((error: unknown) => {',
    replace: 'await Promise.resolve().catch((error: unknown) => {',
  },
  'a session is aborted although its publishing has begun': {
    file: 'server/core/sessions/publishers.ts',
    find: "state === 'committing' && publisher?.begun === true;",
    replace: "state === 'committing' && publisher === undefined;",
  },
  'the collector frees what belongs to open sessions': {
    file: 'storage/object-content/collect-objects.ts',
    find: 'if (!there.has(id)) return true;',
    replace: 'return true;',
  },
  'the collector does not look at what the tree needs': {
    file: 'storage/object-content/collect-objects.ts',
    find: 'needed.content.has(key) || needed.pageKeys.has(key)',
    replace: 'needed.pageKeys.has(key)',
  },
  'what is condemned is never freed': {
    file: 'storage/object-content/collect-objects.ts',
    find: 'nowMs - modifiedAtMs < keepUnusedMs',
    replace: 'true',
  },
  'a chunk is taken before the store has it': {
    file: 'storage/object-content/chunk-objects.ts',
    find: 'await this.#objects.put(key, { sizeBytes, open });',
    replace: 'void this.#objects.put(key, { sizeBytes, open }).catch(() => undefined);',
  },
  'an ended session keeps its documents': {
    file: 'storage/object-content/object-staging.ts',
    find: '      await discard(objects, prefix);\n',
    replace: '',
  },
  'the epoch is not raised by a resume': {
    file: 'server/core/sessions/resuming.ts',
    find: 'epoch: current.epoch + 1,',
    replace: 'epoch: current.epoch,',
  },
  'a record is replaced whatever it has become': {
    file: 'storage/state/document-sessions.ts',
    find: 'const version = await state.compareAndSet(there.key, there.version, formatRecord(next));',
    replace:
      'const now = await state.get(there.key); const version = await state.compareAndSet(there.key, now?.version ?? null, formatRecord(next));',
  },
};
