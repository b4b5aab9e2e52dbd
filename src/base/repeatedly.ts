/**
 * Does `work` again and again, and not while it is being done, until what this answers is called. Its timer keeps no process
 * alive; failures are told and end nothing.
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
