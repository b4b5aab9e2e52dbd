/** `npm run bench`: reads its words, runs scenarios, and reports. */
import type { Bench } from './bench.ts';
import { failWhereNothingIsLeft } from './loud-end.ts';
import { killServers } from './processes.ts';
import { openPlace } from './place.ts';
import { describeContestants, type Report } from './report/report.ts';
import { tableOf } from './report/table.ts';
import { writeReport } from './report/write-report.ts';
import type { ScenarioResult } from './result.ts';
import { SCENARIOS } from './scenarios/all.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { HELP, parseWords, type Words } from './words.ts';

const EXIT_USAGE = 2;

function chosen({ only, isQuick }: Words): readonly Scenario[] {
  const names = SCENARIOS.filter(({ name }) => only.some((word) => name === word || name.startsWith(word)));
  if (only.length > 0 && names.length === 0) {
    throw new TypeError(`--only takes one of: ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  }
  if (only.length > 0) return names;
  return SCENARIOS.filter(({ takesLong }) => !isQuick || !takesLong);
}

async function runAll(words: Words): Promise<Report> {
  const scenarios = chosen(words);
  const started = {
    startedAtMs: Date.now(),
    isQuick: words.isQuick,
    runs: words.runs,
    ...describeContestants(),
  };
  const say = (message: string): void => void process.stderr.write(`${message}\n`);
  const failures: string[] = [];
  let current = '';
  const bench: Bench = {
    runs: words.runs,
    isQuick: words.isQuick,
    memory: openPlace(words.memoryFolder, false),
    disk: openPlace(words.diskFolder, true),
    say,
    leaveOut: (peer, error) => {
      failures.push(`${peer} is left out of ${current}: ${(error as Error).message}`);
      say(`  ${failures.at(-1)}`);
    },
  };
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    bench.say(`${scenario.name}: ${scenario.title}`);
    const { name, title } = scenario;
    current = name;
    try {
      const result: ScenarioResult = { name, title, ...(await scenario.run(bench)) };
      results.push(result);
      if (!words.isJson) process.stdout.write(`${tableOf(result)}\n\n`);
    } catch (error) {
      // The others are still worth to be known.
      failures.push(`${name} failed: ${(error as Error).message}`);
      say(`  ${(error as Error).stack}`);
      process.exitCode = 1;
      killServers();
    }
  }
  return { ...started, missing: [...started.missing, ...failures], scenarios: results };
}

async function main(): Promise<void> {
  const words = parseWords(process.argv.slice(2));
  if (words.help) {
    process.stdout.write(`${HELP}\n\nScenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}\n`);
    return;
  }
  // The folders and servers go with this process, however it ends.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const report = await runAll(words);
  if (words.isJson) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write([report.machine, ...report.versions, ...report.missing, ''].join('\n'));
  if (words.out !== undefined) process.stderr.write(`report: ${writeReport(words.out, report)}\n`);
}

failWhereNothingIsLeft();
try {
  await main();
} catch (error) {
  process.exitCode = error instanceof TypeError ? EXIT_USAGE : 1;
  process.stderr.write(`bench: ${error instanceof TypeError ? error.message : (error as Error).stack}\n`);
}
// What a failure has left running would keep this process, and its folders, alive.
process.exit();
