/** Three server processes over one directory of objects, behind a balancer; each can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { freePort } from '../../support/free-port.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { type Balancer, startBalancer } from '../../support/balancer.ts';
import type { NodeLine } from './node-lines.ts';
import { STRIKE } from './strike.ts';

/** What a node has told, and when, in milliseconds of a clock that all processes share. */
export type Told = NodeLine & { readonly atMs: number; readonly node: string };

/** Several nodes, and what is known of them. */
export interface NodesScene {
  readonly url: string;
  /** Everything that any node has told, and when nodes were killed. */
  readonly told: (Told | Silenced)[];
  readonly objects: ObjectStore;
  readonly content: ContentStore;
  /** URL of a node that is there, chosen by a number below 1. */
  nodeUrl(chance: number): string;
  /** A node that publishes just now, by what was told last. */
  publishing(): number | undefined;
  /** Kills a node by SIGKILL. */
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  /** Stops a node in the middle of whatever it does, and lets it go on later; new requests go to the others meanwhile. */
  stopFor(index: number, milliseconds: number): Promise<void>;
  /** Lets a node go on that has stopped itself; new requests go to it again. */
  wake(index: number): void;
  end(): Promise<void>;
}

/** What differs between nodes. */
export interface NodesOptions {
  /** Variables for the process of a node. */
  readonly environmentOf?: (index: number) => Readonly<Record<string, string>>;
  /** Whether all requests go to the first node, as long as it is there. */
  readonly isFirstPreferred?: boolean;
}

/** A node was killed, or stopped for longer than a lease; nothing that it began goes on. */
export interface Silenced {
  readonly type: 'killed' | 'stopped';
  readonly node: string;
  readonly atMs: number;
}

const NODES = 3;

interface RunningNode {
  readonly child: ChildProcess;
  readonly name: string;
}

/** Builds the program of a node; answers where it lies. */
export async function buildNode(): Promise<string> {
  const outfile = path.join(temporaryDirectory(), 'node.mjs');
  await build({
    entryPoints: [path.join(import.meta.dirname, 'node-program.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    outfile,
  });
  return outfile;
}

/** Starts the nodes and their balancer. */
export async function openNodesScene(
  program: string,
  { environmentOf = () => ({}), isFirstPreferred = false }: NodesOptions = {},
): Promise<NodesScene> {
  const root = path.join(temporaryDirectory(), 'objects');
  const objects = await openDirectoryObjects(root);
  const ports = await Promise.all(Array.from({ length: NODES }, freePort));
  const running = new Map<number, RunningNode>();
  const asleep = new Map<number, RunningNode>();
  const told: NodesScene['told'] = [];
  let started = 0;
  const start: NodesScene['start'] = async (index) => {
    started += 1;
    const name = `${index}.${started}`;
    const child = startNode([program, root, String(ports[index])], environmentOf(index));
    const silenced = (type: Silenced['type']): void => {
      if (running.get(index)?.child !== child) return;
      running.delete(index);
      told.push({ type, node: name, atMs: sharedNow() });
      if (type === 'stopped') asleep.set(index, { child, name });
    };
    const lines = createInterface({ input: child.stdout! });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        const each = JSON.parse(line) as NodeLine & { atMs: number };
        told.push({ ...each, node: name });
        if (each.type === 'listening') resolve();
        if (each.type === 'struck' && environmentOf(index)[STRIKE]?.includes('SIGSTOP') === true)
          silenced('stopped');
      });
      child.once('exit', (code) => {
        silenced('killed');
        reject(new Error(`a node ended by itself: ${code}`));
      });
    });
    running.set(index, { child, name });
  };
  const kill: NodesScene['kill'] = async (index) => {
    const { child, name } = running.get(index)!;
    running.delete(index);
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGKILL');
    await ended;
    told.push({ type: 'killed', node: name, atMs: sharedNow() });
  };
  const stopFor: NodesScene['stopFor'] = async (index, milliseconds) => {
    const stopped = running.get(index)!;
    running.delete(index);
    stopped.child.kill('SIGSTOP');
    told.push({ type: 'stopped', node: stopped.name, atMs: sharedNow() });
    await sleep(milliseconds);
    stopped.child.kill('SIGCONT');
    running.set(index, stopped);
  };
  await Promise.all(ports.map((_, index) => start(index)));
  const wake: NodesScene['wake'] = (index) => {
    const stopped = asleep.get(index)!;
    asleep.delete(index);
    stopped.child.kill('SIGCONT');
    running.set(index, stopped);
  };
  const there = (): number[] => {
    const indexes = isFirstPreferred && running.has(0) ? [0] : [...running.keys()];
    return indexes.map((index) => ports[index]!);
  };
  const balancer: Balancer = await startBalancer(there);
  return {
    url: balancer.url,
    told,
    objects,
    content: createObjectContent(objects),
    nodeUrl: (chance) => {
      const open = there();
      return `http://127.0.0.1:${open[Math.floor(chance * open.length)]}`;
    },
    publishing: () => publishingNode(told),
    kill,
    start,
    stopFor,
    wake,
    end: async () => {
      await Promise.all([...running.keys()].map(kill));
      await balancer.close();
    },
  };
}

function publishingNode(told: NodesScene['told']): number | undefined {
  const publishing = new Map<string, string>();
  for (const line of told) {
    if (line.type === 'begins') publishing.set(line.session, line.node);
    else if (line.type === 'ends') publishing.delete(line.session);
    else if (line.type === 'killed' || line.type === 'stopped') {
      for (const [session, node] of publishing) if (node === line.node) publishing.delete(session);
    }
  }
  const [node] = publishing.values();
  return node === undefined ? undefined : Number(node.split('.')[0]);
}

/** Milliseconds of a clock that all processes of this machine share. */
function sharedNow(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

function startNode(words: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}
