/** The certificate and authorities of a server: read at its start, again on demand, and watched for their end. */
import type { Logger } from '../../base/logger.ts';
import { readTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.ts';

/** The certificate, key and client authorities of a server, which may be exchanged while it runs. */
export interface KeptTls {
  /** The current material. */
  readonly material: TlsMaterial;
  /** Reads the files again. Bad files are logged as an error, and the material before stays. */
  reload(): Promise<void>;
  /** Calls `listener` after each reload with new material. */
  onReload(listener: () => void): void;
  /** Stops the watch over the expiry. */
  close(): void;
}

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 14 * DAY_MS;

/**
 * Reads the files for the first time, and warns once a day when the certificate is about to end.
 *
 * @throws CairnError `config-invalid`
 */
export async function openTls(files: TlsFiles, log: Logger, now: () => number = Date.now): Promise<KeptTls> {
  let material = await readTlsFiles(files);
  let reading: Promise<void> = Promise.resolve();
  const listeners: (() => void)[] = [];
  const watch = (): void => warnOfExpiry(material, log, now());
  const read = async (): Promise<void> => {
    try {
      material = await readTlsFiles(files);
      for (const listener of listeners) listener();
    } catch (error) {
      log.error({ err: error }, 'the certificate was not reloaded; the one before stays');
      return;
    }
    log.info(shownOf(material), 'certificate reloaded');
    watch();
  };
  log.info(shownOf(material), 'certificate loaded');
  watch();
  const timer = setInterval(watch, DAY_MS).unref();
  return {
    get material() {
      return material;
    },
    // One after the other, so that the newest files stay.
    reload: () => (reading = reading.then(read)),
    onReload: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  };
}

function shownOf({ names, fingerprint, expiresAtMs, clientCas }: TlsMaterial): object {
  return {
    names,
    fingerprint,
    expiresAt: new Date(expiresAtMs).toISOString(),
    ...(clientCas === undefined ? {} : { clientCas: clientCas.map((ca) => ca.fingerprint256) }),
  };
}

function warnOfExpiry(material: TlsMaterial, log: Logger, nowMs: number): void {
  const leftMs = material.expiresAtMs - nowMs;
  if (leftMs >= WARN_BEFORE_MS) return;
  const fields = { ...shownOf(material), daysLeft: Math.floor(leftMs / DAY_MS) };
  if (leftMs <= 0) log.error(fields, 'the certificate has expired: clients refuse this server');
  else log.warn(fields, 'the certificate expires soon; renew it and send SIGHUP');
}
