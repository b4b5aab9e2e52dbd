/** What the concurrency suite works on: a file, a server behind a slow line, and several clients. */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { untilLine, type CliRun } from '../../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import { writeRandomFile } from '../../support/trees.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World, type WorldOptions } from '../support/world.ts';

const MIB = 1024 * 1024;

/** A world with a slow line to its server. */
export interface SharedScene {
  readonly world: World;
  readonly proxy: CuttingProxy;
  readonly source: string;
  readonly content: Buffer;
}

/** Makes a scene; the file needs about a second at `bytesPerSecond`. */
export async function openScene(
  options: WorldOptions & { sizeBytes?: number; bytesPerSecond?: number } = {},
): Promise<SharedScene> {
  const { sizeBytes = 3 * MIB, bytesPerSecond = 3 * MIB, ...rest } = options;
  const world = await createWorld(rest);
  const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond });
  onTestFinished(() => proxy.close());
  const source = path.join(workFolder(world, 'source'), 'file');
  writeRandomFile(source, sizeBytes);
  return { world, proxy, source, content: readFileSync(source) };
}

/** Options of a transfer of this suite; its pauses are made for this many chunks at a time. */
export const OPTIONS = ['--chunk-size', '64K', '--parallel', '4', '--retry-for', '20s'];

/** The words that push the source to `/NAME` over the slow line. */
export function pushOf({ proxy, source }: SharedScene, name: string): string[] {
  return ['push', ...OPTIONS, source, `http://127.0.0.1:${proxy.port}/${name}`];
}

/** The words that pull `/NAME` over the slow line. */
export function pullOf({ proxy }: SharedScene, name: string, destination: string): string[] {
  return ['pull', ...OPTIONS, `http://127.0.0.1:${proxy.port}/${name}`, destination];
}

/** Resolves when a transfer is in the middle. */
export async function untilMoving(run: CliRun, bytes = 200_000): Promise<void> {
  await untilLine(run, (line) => Number(line['bytesDone']) > bytes);
}

/** A copy of a client's state, as a backup of its machine would have it; without the lock, which is of a process. */
export function copyHome(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (name) => !path.basename(name).startsWith('lock') });
}

/** What is at a path is exactly this. */
export function checkContent(file: string, content: Buffer): void {
  const found = existsSync(file) ? readFileSync(file) : undefined;
  if (found?.equals(content) !== true)
    throw new Violation('mixture', `"${file}" is not what was sent (${found?.length ?? 'no'} bytes)`);
}

/** A pause of a random length, in milliseconds. */
export function pause(random: () => number, maxMs: number): Promise<void> {
  return sleep(Math.round(random() * maxMs));
}
