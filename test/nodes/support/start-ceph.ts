/** Starts a Ceph gateway before the first test, and ends it after the last one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { hasProgram } from '../../support/requirements.ts';
import { CEPH, GATEWAY_SCRIPT } from './ceph.ts';

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'curl'];

/** What it answers ends the gateway. Where programs are missing it says so, and the tests are skipped. */
export default async function setup(): Promise<(() => void) | undefined> {
  const missing = PROGRAMS.filter((name) => !hasProgram(name));
  if (missing.length > 0) {
    console.warn(`no Ceph on this machine (${missing.join(', ')}): the tests over it are skipped`);
    return undefined;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'cairn-ceph-'));
  const port = await freePort();
  const words = ['start', folder, String(port), String(await freePort())];
  const stop = (): void => {
    spawnSync('bash', [GATEWAY_SCRIPT, 'stop', folder], { stdio: 'inherit' });
    rmSync(folder, { recursive: true, force: true });
  };
  const started = spawnSync('bash', [GATEWAY_SCRIPT, ...words], { stdio: 'inherit' });
  if (started.status !== 0) {
    stop();
    throw new Error('the Ceph gateway did not start');
  }
  process.env[CEPH.folder] = folder;
  process.env[CEPH.port] = String(port);
  return stop;
}
