/**
 * Promise: an epoch never goes back, and a session changes as the table of its states says, on the disk as well; what
 * was told of it survives a power cut. A pull on a disk that takes nothing, being full or read-only, is kept in memory
 * instead, which is known until the server's process ends; nothing else is.
 */
import { transition, type SessionEvent, type SessionState } from '../../../src/session/state.ts';
import { parseRecord } from '../../../src/session/record-schema.ts';
import type { SessionRecord } from '../../../src/session/record.ts';
import type { Node } from '../disk/inode.ts';
import { PLACE } from '../scenario.ts';
import type { Machine } from '../system/machine.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { World } from '../world.ts';

const EVENTS: readonly SessionEvent[] = [
  'prepare',
  'opened',
  'transfer',
  'suspend',
  'resume',
  'commit',
  'incomplete',
  'published',
  'abort',
  'expire',
];
const RECORD = /^\/srv\/state\/sessions\/([A-Za-z0-9_-]+)\.json$/;

/** What clients were told of a session. */
interface Told {
  readonly epoch: number;
  readonly state: SessionState | undefined;
}

const NOTHING: Told = { epoch: 0, state: undefined };

/** Watches the records of all sessions. */
export class Records {
  readonly #world: World;
  readonly #last = new Map<string, SessionRecord>();
  /** What clients were told that is durable, by session. */
  readonly #told = new Map<string, Told>();
  /** What they were told of a pull since there was no room for its record; forgotten with the process that told it. */
  readonly #inMemory = new Map<string, { readonly by: SimulatedProcess; told: Told }>();

  /** The process that was refused records, nobody sees whose. */
  #refusedSome: SimulatedProcess | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** The newest epoch that a client was granted. */
  grantedEpoch(id: string): number {
    return (this.#keptInMemory(id)?.told ?? this.#told.get(id) ?? NOTHING).epoch;
  }

  /** The disk of a process takes nothing; `bytes` is what would have been in the file, where it came to writing. */
  refused(by: SimulatedProcess, path: string, bytes: Buffer | undefined): void {
    if (by.machine !== this.#world.server || !path.startsWith(`${PLACE.serverState}/`)) return;
    if (bytes === undefined) {
      this.#refusedSome = by;
      return;
    }
    const record = pullOf(bytes);
    if (record !== undefined && this.#keptInMemory(record.id) === undefined) this.#keep(record.id, by);
  }

  /** A name came to be. */
  placed(machine: Machine, node: Node, path: string): void {
    const id = RECORD.exec(path)?.[1];
    if (machine !== this.#world.server || id === undefined || node.type !== 'file') return;
    if (node.isDirty) this.#world.break('records', `${path} was put in its place before it was durable`);
    const record = parseRecord(node.bytes.toString(), path)!;
    const before = this.#last.get(id);
    this.#last.set(id, record);
    if (record.state === 'expired' || record.state === 'aborted') this.#world.meet(`${record.state} session`);
    // After a sync that failed the store goes on from what it knows to be durable.
    const isAgain = record.version === before?.version && this.#world.met.has('failed sync');
    if (before === undefined || isAgain) return;
    if (record.version !== before.version + 1) {
      this.#world.break('records', `version ${record.version} of session ${id} follows ${before.version}`);
    }
    if (record.epoch < before.epoch)
      this.#world.break('epochs', `epoch of ${id} went back to ${record.epoch}`);
    const isStep =
      record.state === before.state ||
      EVENTS.some((event) => {
        const next = transition(before.state, event);
        return 'state' in next && next.state === record.state;
      });
    if (!isStep) this.#world.break('states', `session ${id} went from ${before.state} to ${record.state}`);
  }

  /** A client was granted an epoch: it must be newer than all before, and survive. */
  granted(id: string, epoch: number): void {
    const newest = this.grantedEpoch(id);
    if (epoch <= newest) this.#world.break('epochs', `epoch ${epoch} of ${id} was granted after ${newest}`);
    const durable = this.#durable(id);
    const isDurable = durable !== undefined && durable.epoch >= epoch;
    const kept = this.#keptInMemory(id) ?? (isDurable ? undefined : this.#keptUnseen(id));
    if (kept !== undefined) {
      kept.told = { ...kept.told, epoch };
      return;
    }
    this.#told.set(id, { ...(this.#told.get(id) ?? NOTHING), epoch });
    if (!isDurable) {
      this.#world.break('epochs', `epoch ${epoch} of ${id} was granted before it was durable`);
    }
  }

  /** A client was told that a session is at this end. */
  ended(id: string, state: SessionState): void {
    const durable = this.#durable(id);
    const kept = this.#keptInMemory(id) ?? (durable?.state === state ? undefined : this.#keptUnseen(id));
    if (kept !== undefined) {
      kept.told = { ...kept.told, state };
      return;
    }
    // What is over and needs the disk that it kept may be gone.
    const isGone = durable === undefined && state === 'aborted';
    const isExpired = durable?.state === 'expired' && state === 'aborted';
    // On a disk that takes nothing and cannot even remove a name, the end of the lease does it.
    if (state === 'aborted' && this.#world.met.has('full disk') && this.#world.met.has('failed sync')) return;
    if (durable?.state !== state && !isGone && !isExpired) {
      this.#world.break(
        'states',
        `a client was told that ${id} is ${state}, and durably it is ${durable?.state}`,
      );
    }
    this.#told.set(id, { epoch: this.grantedEpoch(id), state: durable?.state ?? state });
  }

  /** The power of the server went: what was told of its sessions is still so. */
  powerCut(machine: Machine): void {
    if (machine !== this.#world.server) return;
    for (const [id, before] of this.#last) {
      const now = this.#durable(id);
      if (now === undefined) {
        this.#last.delete(id);
        continue;
      }
      const told = this.#told.get(id);
      if (now.epoch < (told?.epoch ?? 0)) {
        this.#world.break('epochs', `a power cut took epoch ${told?.epoch} of ${id} back to ${now.epoch}`);
      }
      if (told?.state !== undefined && told.state !== now.state) {
        this.#world.break('states', `${id} was ${told.state}, and after a power cut it is ${now.state}`);
      }
      if (now.version <= before.version) this.#last.set(id, now);
    }
  }

  #keep(id: string, by: SimulatedProcess): { told: Told } {
    this.#world.meet('pull kept in memory');
    const kept = { by, told: this.#told.get(id) ?? NOTHING };
    this.#inMemory.set(id, kept);
    return kept;
  }

  /** What a process may keep of a pull since a read-only disk refused it records; undefined for all else. */
  #keptUnseen(id: string): { told: Told } | undefined {
    const by = this.#refusedSome;
    return this.#world.scenario.direction === 'pull' && by?.isAlive === true ? this.#keep(id, by) : undefined;
  }

  #keptInMemory(id: string): { told: Told } | undefined {
    const kept = this.#inMemory.get(id);
    return kept?.by.isAlive === true ? kept : undefined;
  }

  #durable(id: string): SessionRecord | undefined {
    const node = this.#world.server.disk.find(`${PLACE.serverState}/${id}.json`, 'durable');
    if (node?.type !== 'file') return undefined;
    return parseRecord(node.durableBytes.toString(), id);
  }
}

/** The record of a pull, where that is what a file was to hold. */
function pullOf(bytes: Buffer): SessionRecord | undefined {
  const record = parseRecord(bytes.toString(), 'a file'); // or a chunk, a manifest, a journal
  return record?.pass.direction === 'pull' ? record : undefined;
}
