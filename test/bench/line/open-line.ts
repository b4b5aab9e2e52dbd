/** Starts the process of a long line. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { CutPlan, LineAnswer, LineOrder, LineShape } from './line-shape.ts';

/** A line in its own process. */
export interface Line {
  /** Its near end; the far end is at the port that it was opened for. */
  readonly port: number;
  /** Begins to cut all connections, or ends that; answers how often it has cut since the last call. */
  cut(plan: CutPlan | undefined): Promise<number>;
  close(): void;
}

/** Opens a line to what listens on `targetPort`. */
export async function openLine(shape: LineShape, targetPort: number): Promise<Line> {
  // Beside the bundle of the bench itself.
  const child = fork(path.join(path.dirname(process.argv[1]!), 'line.mjs'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const tell = async (order: LineOrder): Promise<LineAnswer> => {
    const answered = once(child, 'message') as Promise<[LineAnswer]>;
    child.send(order);
    return (await answered)[0];
  };
  const { port } = await tell({ do: 'open', targetPort, shape });
  return {
    port: port!,
    cut: async (plan) => (await tell({ do: 'cut', plan })).cuts,
    close: () => child.kill('SIGKILL'),
  };
}
