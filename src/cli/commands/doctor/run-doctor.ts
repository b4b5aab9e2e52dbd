/** `cairn doctor`. */
import { ERROR_TABLE, EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Finding } from '../../../client/doctor/finding.ts';
import { watchSignals } from '../../process/interruption.ts';
import { loginFileOf, readLogin } from '../../access/credentials.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import { ownStateHomeOf } from '../../access/user-directories.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import type { DoctorValues } from './doctor-command.ts';
import { parseServerUrl } from '../../options/server-url.ts';

/** Long enough for timeouts that are set too short, and not too long to wait for. */
const QUICK_SILENCE_MS = 15_000;
/** Longer than a minute, which many proxies have, and than the time between two heartbeats. */
const THOROUGH_SILENCE_MS = 65_000;

/** Looks at everything between this machine and a server; exit 0 where no problem was found. */
export async function runDoctor(word: string, values: DoctorValues): Promise<ExitCode> {
  const url = parseServerUrl(word);
  const silentMs = values.silence ?? (values.thorough ? THOROUGH_SILENCE_MS : QUICK_SILENCE_MS);
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => {
    findings.push(finding);
    print(values.json ? jsonLine({ type: 'finding', ...finding }) : linesOf(finding));
  };
  const { checkStateHome } = await import('../../../client/doctor/check-state-home.ts');
  const interruption = watchSignals(() => undefined);
  try {
    for (const finding of await checkStateHome(ownStateHomeOf(process.env), interruption.signal))
      onFinding(finding);
  } finally {
    interruption.dispose();
  }
  // Without it no transfer begins, nor is the token of a server on this machine found.
  if (worstOf(findings) === undefined) {
    const { diagnose } = await import('../../../client/doctor/examine.ts');
    const job = { url, values, resumeCommand: ['cairn', 'doctor', url.href] };
    const isRenewed = await isRenewedLogin(url, values.tokenFile);
    const how = { silentMs, isThorough: values.thorough, isRenewed, onFinding };
    await runClient(job, NO_LINES, (options) => diagnose({ ...options, ...how }));
  }
  return summarize(findings, values.json);
}

/** Whether the token is that of a login which its issuer renews. A damaged login is told when it is used. */
async function isRenewedLogin({ origin }: URL, tokenFile: string | undefined): Promise<boolean> {
  if (tokenFile !== undefined || (process.env['CAIRN_TOKEN'] ?? '').trim() !== '') return false;
  const login = await readLogin(loginFileOf(process.env, origin), origin).catch(() => undefined);
  return login?.refreshToken !== undefined;
}

function summarize(findings: readonly Finding[], json: boolean): ExitCode {
  const code = worstOf(findings)?.code;
  const exitCode = code === undefined ? EXIT.done : ERROR_TABLE[code].exitCode;
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (json) print(jsonLine({ type: 'summary', problems, warnings, code: code ?? 'ok', exitCode }));
  else print(`${counted(problems, 'problem')}, ${counted(warnings, 'warning')}\n`);
  return exitCode;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The first problem: later ones may follow from it. */
function worstOf(findings: readonly Finding[]): Finding | undefined {
  return findings.find(({ level }) => level === 'problem');
}

/** A line for people, and the remedy below a finding that has one. */
function linesOf({ check, level, message, remedy }: Finding): string {
  const line = `${level.padEnd(8)} ${check.padEnd(11)} ${printable(message)}\n`;
  return remedy === undefined ? line : `${line}${' '.repeat(21)}→ ${printable(remedy)}\n`;
}
