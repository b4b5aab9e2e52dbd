/** A push, and cuts of its server's power until it is through. */
import type { CliRun } from '../../../support/cli.ts';
import type { FaultRun } from '../../support/campaign.ts';
import { succeed, untilSuccess, type PushScene } from './push-scene.ts';

const MIB = 1024 * 1024;

/** When the power is cut, and what else happens. */
export interface CutPlan {
  readonly cuts: number;
  /** Resolves when the next cut is to come. */
  readonly moment: (run: CliRun) => Promise<unknown>;
  /** Kills the client with every other cut, roughly; the same command is then run again. */
  readonly killsClient?: boolean;
  /** Between a cut and the start of the server after it. */
  readonly beforeStart?: () => Promise<void>;
}

/**
 * Cuts the power `cuts` times while the push runs, and once more right after it has said that it succeeded; checks the
 * promises each time.
 */
export async function pushThroughCuts(scene: PushScene, run: FaultRun, plan: CutPlan): Promise<void> {
  const { add, injected, random } = run;
  let push = scene.push();
  for (let cut = 0; cut < plan.cuts; cut += 1) {
    await Promise.race([plan.moment(push), push.result]);
    if (push.child.exitCode !== null) break;
    const killsClient = plan.killsClient === true && random() < 0.5;
    const { acknowledgedBytes } = await scene.cut();
    injected();
    add('acknowledged MiB', acknowledgedBytes / MIB);
    if (killsClient) {
      push.child.kill('SIGKILL');
      await push.result;
    }
    await plan.beforeStart?.();
    await scene.world.server.start({});
    if (killsClient) push = scene.push();
  }
  await untilSuccess(push);
  await scene.checkFinished();
  injected();
  await succeed(push);
}
