/** `cairn doctor`. */
import { ERROR_TABLE, EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Finding } from '../../../client/doctor/finding.ts';
import { MAX_PROBE_SILENCE_MS } from '../../../wire/administration.ts';
import { parseDuration } from '../../options/duration.ts';
import { watchSignals } from '../../process/interruption.ts';
import { loginFileOf, readLogin } from '../../access/credentials.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../screen/json-line.ts';
import { ownStateHomeOf } from '../../access/user-directories.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import { settingsOf, type TransferWords } from '../../options/transfer-settings.ts';
import { parseServerUrl } from '../../options/server-url.ts';

/** Options of the command. */
export interface DoctorWords extends TransferWords {
  readonly thorough?: boolean;
  readonly silence?: string;
}

/** Long enough for timeouts that are set too short, and not too long to wait for. */
const QUICK_SILENCE_MS = 15_000;
/** Longer than a minute, which many proxies have, and than the time between two heartbeats. */
const THOROUGH_SILENCE_MS = 65_000;
const SILENCE_RANGE = { minMs: 1000, maxMs: MAX_PROBE_SILENCE_MS };

/** Looks at everything between this machine and a server; exit 0 where no problem was found. */
export async function runDoctor(word: string, words: DoctorWords): Promise<ExitCode> {
  const settings = settingsOf({ ...words, progress: false });
  const url = parseServerUrl(word);
  const silentMs = silenceOf(words);
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => {
    findings.push(finding);
    print(settings.json ? jsonLine({ type: 'finding', ...finding }) : linesOf(finding));
  };
  const { checkStateHome } = await import('../../../client/doctor/state-home.ts');
  const interruption = watchSignals(() => undefined);
  try {
    for (const finding of await checkStateHome(ownStateHomeOf(process.env), interruption.signal))
      onFinding(finding);
  } finally {
    interruption.dispose();
  }
  // Without it no transfer begins, nor is the token of a server on this machine found.
  if (worstOf(findings) === undefined) {
    const { diagnose } = await import('../../../client/doctor/doctor.ts');
    const plan = { url, settings, resumeCommand: ['cairn', 'doctor', url.href] };
    const isRenewed = await isRenewedLogin(url, settings.tokenFile);
    const how = { silentMs, isThorough: words.thorough === true, isRenewed, onFinding };
    await runClient(plan, NO_LINES, (options) => diagnose({ ...options, ...how }));
  }
  return summarize(findings, settings.json);
}

/** Whether the token is that of a login which its issuer renews; what is wrong with it is told when it is used. */
async function isRenewedLogin({ origin }: URL, tokenFile: string | undefined): Promise<boolean> {
  if (tokenFile !== undefined || (process.env['CAIRN_TOKEN'] ?? '').trim() !== '') return false;
  const login = await readLogin(loginFileOf(process.env, origin), origin).catch(() => undefined);
  return login?.refreshToken !== undefined;
}

function silenceOf({ thorough, silence }: DoctorWords): number {
  if (silence !== undefined) return parseDuration('--silence', silence, SILENCE_RANGE);
  return thorough === true ? THOROUGH_SILENCE_MS : QUICK_SILENCE_MS;
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

/** A line for people, and under what is not well what to do about it. */
function linesOf({ check, level, message, remedy }: Finding): string {
  const line = `${level.padEnd(8)} ${check.padEnd(11)} ${printable(message)}\n`;
  return remedy === undefined ? line : `${line}${' '.repeat(21)}→ ${printable(remedy)}\n`;
}
