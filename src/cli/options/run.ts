/** What runs a command, by its arguments and the values of its options. */
export type Run<Args extends unknown[]> = (...args: Args) => Promise<void>;
