/**
 * Promises of the tree that all nodes publish, looked at whenever its root or an object changes: a push appears whole and
 * once, while its session is being committed; nothing older comes back; and no object that the root leads to goes.
 */
import { decodeBranch, pageId, type PageRef } from '../../../src/storage/entry-tree/branch-codec.ts';
import { decodeLeaf } from '../../../src/storage/entry-tree/leaf-codec.ts';
import type { TreeEntry } from '../../../src/storage/entry-tree/tree-entry.ts';
import type { RecentCommit } from '../../../src/storage/object-content/tree-root.ts';
import { PLACE } from '../scenario.ts';
import type { NodesWorld } from './nodes-world.ts';
import { ROOT_KEY, STORE } from './place.ts';
import type { StoredSessions } from './stored-sessions.ts';

interface Root {
  readonly generation: number;
  readonly tree: PageRef | null;
  readonly recent: readonly RecentCommit[];
}

const NO_ROOT: Root = { generation: 0, tree: null, recent: [] };

/** The session that an area belongs to. */
const sessionOf = ({ area }: RecentCommit): string => area.split('/')[0]!;

/** See the file. */
export class PublishedWatch {
  readonly #world: NodesWorld;
  readonly #sessions: StoredSessions;
  #root = NO_ROOT;
  /** Whose files the target has; undefined before any. */
  #owner: string | undefined;
  /** Areas that were ever published. */
  readonly #published = new Set<string>();
  /** Clients whose files were ever published. */
  readonly #owners = new Set<string>();
  /** Keys that the root leads to. */
  #named = new Set<string>();

  constructor(world: NodesWorld, sessions: StoredSessions) {
    this.#world = world;
    this.#sessions = sessions;
  }

  /** Whether a session was ever published. */
  hasPublished(session: string): boolean {
    return [...this.#published].some((area) => area.startsWith(`${session}/`));
  }

  /** Whether the files of a client were ever there. */
  hasAppeared(client: string): boolean {
    return this.#owners.has(client);
  }

  /** The keys of all objects that the tree needs. */
  get named(): ReadonlySet<string> {
    return this.#named;
  }

  /** An object has been put. */
  put(key: string): void {
    if (key !== ROOT_KEY) return;
    const before = this.#root;
    const root = JSON.parse(this.#world.bucket.objects.get(key)!.body.toString()) as Root;
    this.#root = root;
    this.#world.meet('change of the root');
    if (root.generation !== before.generation + 1) {
      const what = `generation ${root.generation} of the root follows ${before.generation}`;
      this.#world.break('one root', what);
    }
    const fresh = this.#checkCommits(before, root);
    // Most changes only raise the generation.
    if (JSON.stringify(root.tree) === JSON.stringify(before.tree)) return;
    const owner = this.#readTree(root);
    if (owner === this.#owner) return;
    this.#owner = owner;
    if (owner !== undefined) this.#owners.add(owner);
    if (fresh.some((commit) => this.#sessions.ownerOf(sessionOf(commit)) === owner)) return;
    this.#world.break(
      'nothing old comes back',
      `the files of ${owner} are there, and no commit has brought them`,
    );
  }

  /** An object has been removed. */
  removed(key: string): void {
    if (this.#named.has(key))
      this.#world.break('nothing lost', `${key} was removed, and the root leads to it`);
  }

  /** The commits that this change has brought. */
  #checkCommits(before: Root, { recent }: Root): RecentCommit[] {
    const fresh = recent.filter(({ area }) => before.recent.every((other) => other.area !== area));
    for (const commit of fresh) {
      const session = sessionOf(commit);
      this.#world.meet('published session');
      if (this.#published.has(commit.area))
        this.#world.break('published once', `${session} is published a second time`);
      this.#published.add(commit.area);
      const { state, publisher } = this.#sessions.record(session) ?? {};
      if (state !== 'committing' || publisher?.begun !== true) {
        const what = `${session} is published while it is ${state}, by a publisher that has ${publisher?.begun === true ? '' : 'not '}begun`;
        this.#world.break('published in a commit', what);
      }
    }
    return fresh;
  }

  /** Goes through the whole tree; answers whose files are at the target. */
  #readTree({ tree }: Root): string | undefined {
    this.#named = new Set();
    const entries = tree === null ? [] : [...this.#entriesOf(tree)];
    const below = `${PLACE.name}/`;
    const files = entries.filter(({ entry }) => entry.type === 'file' && entry.path.startsWith(below));
    if (files.length === 0) return undefined;
    const there = new Map(files.map((found) => [found.entry.path.slice(below.length), this.#bytesOf(found)]));
    const owner = this.#world.scenarios.findIndex(
      (scenario) =>
        scenario.files.length === there.size &&
        scenario.files.every(({ path, versions: [bytes] }) => there.get(path)?.equals(bytes!) === true),
    );
    if (owner < 0)
      this.#world.break(
        'a push appears whole',
        `the ${there.size} files at the target are those of no client`,
      );
    return `client-${owner}`;
  }

  *#entriesOf(ref: PageRef): Generator<TreeEntry> {
    const { key, offset, lengthBytes } = ref.place;
    const bytes = this.#read(key, offset, lengthBytes);
    if (bytes === undefined) return;
    if (ref.level > 0) for (const page of decodeBranch(bytes).pages) yield* this.#entriesOf(page);
    else if (pageId(bytes) === ref.id) yield* decodeLeaf(bytes);
    else this.#world.break('nothing lost', `the page in ${key} is damaged`);
  }

  #bytesOf({ extents }: TreeEntry): Buffer {
    return Buffer.concat(
      extents.map(({ key, from, lengthBytes }) => this.#read(key, from, lengthBytes) ?? Buffer.alloc(0)),
    );
  }

  #read(key: string, from: number, lengthBytes: number): Buffer | undefined {
    const whole = STORE.prefix + key;
    this.#named.add(whole);
    const bytes = this.#world.bucket.objects.get(whole)?.body.subarray(from, from + lengthBytes);
    if (bytes?.length === lengthBytes) return bytes;
    this.#world.break('nothing lost', `the root leads to ${whole}, which is not there`);
    return undefined;
  }
}
