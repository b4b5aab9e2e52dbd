/** What something costs, by the processor's time and not by the clock on the wall, to which every other process adds. */

/** Milliseconds of this process's processor time so far, on all its threads. */
export function cpuNowMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
