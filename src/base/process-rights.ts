/** The effect of file modes on this process. */
import { readFileSync } from 'node:fs';

/** CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7)): either reads everything. */
const READS = 0b110n;

/** CAP_CHOWN. */
const CHANGES_OWNERS = 0b001n;

/** Whether this process may read every file, whatever its mode: as root may, unless a container took that right. */
export function readsEverything(): boolean {
  if (process.geteuid === undefined) return true; // no such modes here
  return has(READS);
}

/** Whether this process may give files to other users. */
export function changesOwners(): boolean {
  return process.geteuid !== undefined && has(CHANGES_OWNERS);
}

/** Whether the process has one of the capabilities. */
function has(capabilities: bigint): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (effective !== undefined) return (BigInt(`0x${effective}`) & capabilities) !== 0n;
  } catch {
    // Without /proc the user number decides.
  }
  return process.geteuid?.() === 0;
}
