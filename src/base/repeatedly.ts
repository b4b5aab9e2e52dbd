/**
 * Repeats `work` at an interval, but not while it still runs, until the caller calls the returned function. The timer
 * keeps no process alive; failures go to `onFailure` and stop nothing.
 */
export function repeatedly(
  work: () => Promise<unknown>,
  everyMs: number,
  onFailure: (error: unknown) => void,
): () => void {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    work()
      .catch(onFailure)
      .finally(() => (isBusy = false));
  }, everyMs).unref();
  return () => clearInterval(timer);
}
