/** Whether checkpoints can be kept on this machine, and for how long. */
import { makePrivateDirectory } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { checkWritable, freeBytesAt, isInMemory } from '../../storage/disk/tree/storage-place.ts';
import { failed, ok, problem, warning, type Finding } from './finding.ts';
import { withinLimit } from './check-time-limit.ts';

const LIMIT_MS = 10_000;
const MIB = 1024 * 1024;
const LEAST_FREE_BYTES = MIB;
const FEW_FREE_BYTES = 100 * MIB;

/** Looks at the directory for checkpoints; it is made where it is missing, as any transfer would. */
export function checkStateHome(directory: string, signal: AbortSignal): Promise<readonly Finding[]> {
  // A disk of another machine may not answer at all.
  return withinLimit('state-home', LIMIT_MS, signal, () => look(directory));
}

async function look(directory: string): Promise<readonly Finding[]> {
  const check = 'state-home';
  const shown = `checkpoints are kept in "${printable(directory)}"`;
  try {
    await makePrivateDirectory(directory);
    await checkWritable(directory);
    const freeBytes = await freeBytesAt(directory);
    const freeMib = Math.floor(freeBytes / MIB);
    if (freeBytes < LEAST_FREE_BYTES) {
      return [problem(check, 'storage-full', `${shown}, where the disk is full`, 'make room there')];
    }
    const findings: Finding[] = [];
    if (freeBytes < FEW_FREE_BYTES) {
      findings.push(warning(check, `${shown}, where only ${freeMib} MiB are free`, 'make room there'));
    }
    if (await isInMemory(directory)) {
      const remedy = 'set CAIRN_STATE_HOME to a directory on a disk';
      findings.push(
        warning(check, `${shown}, which is in memory: a restart of the machine loses them`, remedy),
      );
    }
    return findings.length > 0 ? findings : [ok(check, `${shown}; ${freeMib} MiB are free`)];
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const { code, details } = error;
    return [
      failed(check, new CairnError(code, `${shown}, which does not work: ${error.message}`, { details })),
    ];
  }
}
