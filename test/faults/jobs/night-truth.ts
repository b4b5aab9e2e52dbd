/** Whether what is told of the runs of a job is so. */
import type { CliResult } from '../../support/cli.ts';
import { checkSameTree } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import type { JobLine, NightScene } from './night-scene.ts';

/** What was seen of one run. */
export interface SeenRun {
  readonly result: Promise<CliResult>;
  /** Whether the run was killed before it could have told its end. */
  readonly wasKilled: boolean;
}

const unclear = (message: string, ...about: unknown[]): Violation =>
  new Violation('unclear', [message, ...about.map((each) => JSON.stringify(each))].join('\n'));

/** Checks a history while no run goes on, against the one of before, and answers it. */
export async function checkHistory(scene: NightScene, before: readonly JobLine[]): Promise<JobLine[]> {
  const history = await scene.history();
  const running = history.find(({ state }) => state === 'running');
  if (running !== undefined) throw unclear('a run is told as running, and none is', running);
  for (const [at, run] of before.entries())
    if (JSON.stringify(history[at]) !== JSON.stringify(run))
      throw unclear(`run ${at} of the history is told in another way than before`, run, history[at]);
  const last = history.at(-1);
  const status = await scene.status();
  if (status['lastState'] !== (last?.['state'] ?? 'never'))
    throw unclear('the status and the history do not agree', status, last);
  // A run that was killed before it began is in no history.
  if (history.length > before.length && last?.['exitCode'] === 0) checkSameTree(scene.source, scene.target);
  return history;
}

/** Checks the last run of a history, which came to its end: both the history and the record for monitoring say it. */
export async function checkSuccess(scene: NightScene, history: readonly JobLine[]): Promise<void> {
  const last = history.at(-1);
  const [record, status] = [scene.lastRun(), await scene.status()];
  for (const told of [last, record])
    if (told?.['state'] !== 'ok' || told['exitCode'] !== 0 || told['run'] !== last!['run'])
      throw unclear('a success is told as something else', last, record);
  if (record!['lastSuccessAt'] !== last!['endedAt'] || status['state'] !== 'ok' || status['exitCode'] !== 0)
    throw unclear('the last success is not told', record, status);
}

/** Checks every run that began against the whole history. */
export async function checkRuns(seen: readonly SeenRun[], history: readonly JobLine[]): Promise<void> {
  let begun = 0;
  for (const { result, wasKilled } of seen) {
    const { lines, exitCode } = await result;
    const told = lines.find(({ type }) => type === 'run');
    if (lines.some(({ type }) => type === 'started')) begun += 1;
    if (told === undefined) {
      if (!wasKilled) throw unclear(`a run that was not killed told no end (exit ${exitCode})`, lines.at(-1));
      continue;
    }
    const kept = history.find(({ run }) => run === told['run']);
    if (JSON.stringify(kept) !== JSON.stringify(told))
      throw unclear('a run told its end, and the history tells another', told, kept);
    if (!wasKilled && exitCode !== told['exitCode']) throw unclear(`exit ${exitCode}, and not`, told);
  }
  if (history.length < begun)
    throw unclear(`${begun} runs said that they began, and the history has ${history.length}`, history);
  const killed = history.filter(({ exitCode }) => exitCode === null);
  for (const run of killed)
    if (run['state'] !== 'interrupted' || run['code'] !== 'interrupted')
      throw unclear('a run that was killed is told as something else', run);
}
