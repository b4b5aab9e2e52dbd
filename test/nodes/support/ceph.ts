/** The Ceph gateway of the test run. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** The script that starts and stops it. */
export const GATEWAY_SCRIPT = path.join(import.meta.dirname, '../../support/s3/ceph-gateway.sh');

/** Variables that tell the tests where it is. */
export const CEPH = { folder: 'CAIRN_TEST_CEPH', port: 'CAIRN_TEST_CEPH_PORT' } as const;

/** The keys of its user, as a server gets them. */
export const CEPH_KEYS = { AWS_ACCESS_KEY_ID: 'cairntest', AWS_SECRET_ACCESS_KEY: 'cairntestsecret' };

/** Whether there is one. */
export const hasCeph = process.env[CEPH.folder] !== undefined;

/** Its URL, and its bucket. */
export const endpoint = `http://127.0.0.1:${process.env[CEPH.port]}`;
export const BUCKET = 's3://cairn-test';

/** Kills the gateway, or starts it again; what is stored stays. */
export function gateway(what: 'kill-gateway' | 'start-gateway'): void {
  const words = [GATEWAY_SCRIPT, what, process.env[CEPH.folder]!, process.env[CEPH.port]!];
  if (spawnSync('bash', words, { stdio: 'inherit' }).status !== 0) throw new Error(`${what} failed`);
}
