/** The destination of a structured log. */

/** Takes log lines with their fields; pino fits. Callers never give it secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
