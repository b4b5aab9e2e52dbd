/** The effect of file modes on this process. */
import { readFileSync } from 'node:fs';

/** CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7)): either reads everything. */
const READS = 0b110n;

/** Whether this process may read every file, whatever its mode: as root may, unless a container took that right. */
export function readsEverything(): boolean {
  if (process.geteuid === undefined) return true; // no such modes here
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (effective !== undefined) return (BigInt(`0x${effective}`) & READS) !== 0n;
  } catch {
    // Without /proc the user number decides.
  }
  return process.geteuid() === 0;
}
