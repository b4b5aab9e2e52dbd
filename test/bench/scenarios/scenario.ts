/** A scenario by name. */
import type { Bench } from '../bench.ts';
import type { ScenarioResult } from '../result.ts';

/** Something that is measured. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Left out of the quick bench. */
  readonly takesLong: boolean;
  /** Its title is that of the scenario, unless it says otherwise. */
  run(bench: Bench): Promise<Omit<ScenarioResult, 'name' | 'title'>>;
}
