/** Where a structured log goes. */

/** Takes log lines with their fields; pino fits. Secrets are never given to it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
