/**
 * Where the keys for a bucket come from: the environment, a file, or the role of a container or an instance, by the variables
 * that AWS has for them. Never from a command line.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { createMutex } from '../../../base/mutex.ts';
import type { CredentialParts, FoundCredentials, S3Environment } from './credential-source.ts';
import { containerCredentials, instanceCredentials, webIdentityCredentials } from './role-credentials.ts';
import type { S3Credentials } from './signature.ts';

/** Looks in one place; undefined where it is not the place. */
type Provider = (parts: CredentialParts) => Promise<FoundCredentials | undefined>;

const PROVIDERS: readonly Provider[] = [
  async ({ env }) => ofEnvironment(env),
  webIdentityCredentials,
  ({ env }) => ofFile(env),
  containerCredentials,
  instanceCredentials,
];
/** Keys are fetched anew so long before they expire. */
const EARLY_MS = 5 * 60 * 1000;

/**
 * Finds keys when they are first needed, and again before they expire, or where the service has refused them.
 *
 * @returns see `S3ClientParts.credentials`; it throws CairnError `config-invalid` where there are none
 */
export function createS3Credentials(parts: CredentialParts): (isRefused?: boolean) => Promise<S3Credentials> {
  const { now = Date.now } = parts;
  const inTurn = createMutex();
  let found: FoundCredentials | undefined;
  const isGood = (marginMs: number): boolean =>
    found !== undefined && (found.expiresAtMs === undefined || now() + marginMs < found.expiresAtMs);
  return (isRefused = false) => {
    const seen = found;
    if (!isRefused && seen !== undefined && isGood(EARLY_MS)) return Promise.resolve(seen);
    return inTurn(async () => {
      // Another request may have fetched them while this one waited.
      if (found !== undefined && found !== seen && isGood(0)) return found;
      try {
        found = await findCredentials(parts);
      } catch (error) {
        if (isRefused || !isGood(0)) throw error;
      }
      return found!;
    });
  };
}

async function findCredentials(parts: CredentialParts): Promise<FoundCredentials> {
  for (const provide of PROVIDERS) {
    const found = await provide(parts);
    if (found !== undefined) return found;
  }
  throw new CairnError(
    'config-invalid',
    'there are no keys for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE ' +
      'and AWS_PROFILE, or give the container or the instance a role',
  );
}

function ofEnvironment(env: S3Environment): FoundCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: env['AWS_SESSION_TOKEN'] || undefined };
}

async function ofFile(env: S3Environment): Promise<FoundCredentials | undefined> {
  const named = env['AWS_SHARED_CREDENTIALS_FILE'] || undefined;
  const profile = env['AWS_PROFILE'] || undefined;
  const path = named ?? join(env['HOME'] ?? homedir(), '.aws', 'credentials');
  const isAskedFor = named !== undefined || profile !== undefined;
  const text = await textOfFile(path, isAskedFor);
  if (text === undefined) return undefined;
  const section = sectionOf(text, profile ?? 'default');
  const accessKeyId = section?.get('aws_access_key_id');
  const secretAccessKey = section?.get('aws_secret_access_key');
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { accessKeyId, secretAccessKey, sessionToken: section?.get('aws_session_token') };
  if (!isAskedFor) return undefined;
  const message = `"${printable(path)}" has no aws_access_key_id and aws_secret_access_key for the profile "${printable(profile ?? 'default')}"`;
  throw new CairnError('config-invalid', message);
}

async function textOfFile(path: string, isAskedFor: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isAskedFor && ['ENOENT', 'EACCES', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return undefined;
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `reading "${printable(path)}"`);
    throw new CairnError('config-invalid', `the file of keys "${printable(path)}" does not exist`, {
      cause: error,
    });
  }
}

/** The values of a section `[name]`, with lines `key = value`. */
function sectionOf(text: string, wanted: string): ReadonlyMap<string, string> | undefined {
  let section: Map<string, string> | undefined;
  let found: Map<string, string> | undefined;
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line.startsWith('[')) {
      section = new Map();
      if (line.slice(1).split(']', 1)[0]!.trim() === wanted) found ??= section;
      continue;
    }
    const sign = line.indexOf('=');
    if (sign > 0) section?.set(line.slice(0, sign).trim().toLowerCase(), line.slice(sign + 1).trim());
  }
  return found;
}
