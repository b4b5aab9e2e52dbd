/** The keys of a role that a platform gives to what runs on it: a container, an instance, a pod with a token of its own. */
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { CairnError, storageError } from '../../../base/errors.ts';
import { isLoopbackHost } from '../../../base/loopback.ts';
import { printable } from '../../../base/safe-path.ts';
import type { CredentialParts, FoundCredentials } from './credential-source.ts';
import { type Exchange, type Exchanger, textOfBody } from './http-exchange.ts';
import { parseXml, textIn, type XmlElement } from './xml-elements.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const CONTAINER_HOST = 'http://169.254.170.2';
/** The hosts beside loopback that may be asked over plain HTTP: those of the agents of ECS and EKS. */
const PLAIN_HOSTS: ReadonlySet<string> = new Set(['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']);
const INSTANCE_HOST = 'http://169.254.169.254';
const INSTANCE_TOKEN_SECONDS = '21600';
const word = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,8192}$/));
const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    AccessKeyId: word,
    SecretAccessKey: word,
    Token: v.optional(word),
    Expiration: v.optional(word),
  }),
);

/** Of the agent of a container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI. @throws CairnError */
export async function containerCredentials({
  env,
  exchange,
}: CredentialParts): Promise<FoundCredentials | undefined> {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const full = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  const address = relative ? `${CONTAINER_HOST}${relative}` : full;
  if (!address) return undefined;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isNear(url));
  if (url === undefined || !isSafe) {
    const message = `the keys of a container are not fetched from "${printable(address)}": only over https, or from this machine`;
    throw new CairnError('config-invalid', message);
  }
  const file = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
  const token = file ? await readWord(file) : env['AWS_CONTAINER_AUTHORIZATION_TOKEN'];
  const headers = token ? { authorization: token } : {};
  return ofJson(await ask(exchange, { method: 'GET', url, headers, open: undefined }));
}

function isNear({ hostname }: URL): boolean {
  return PLAIN_HOSTS.has(hostname) || isLoopbackHost(hostname.replace(/^\[|\]$/g, ''));
}

/** Of the instance (IMDSv2), unless AWS_EC2_METADATA_DISABLED; undefined where there is no such service. @throws CairnError */
export async function instanceCredentials({
  env,
  exchange,
}: CredentialParts): Promise<FoundCredentials | undefined> {
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined;
  const base = new URL(env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || INSTANCE_HOST);
  const begin = { method: 'PUT', url: new URL('/latest/api/token', base), open: undefined };
  const lifetime = { 'x-aws-ec2-metadata-token-ttl-seconds': INSTANCE_TOKEN_SECONDS, 'content-length': '0' };
  const token = await ask(exchange, { ...begin, headers: lifetime }).catch(() => undefined); // no instance of EC2
  if (token === undefined) return undefined;
  const headers = { 'x-aws-ec2-metadata-token': token };
  const roles = new URL('/latest/meta-data/iam/security-credentials/', base);
  const read = (url: URL): Promise<string> => ask(exchange, { method: 'GET', url, headers, open: undefined });
  const [role = ''] = (await read(roles)).split('\n');
  return ofJson(await read(new URL(encodeURIComponent(role.trim()), roles)));
}

/** For the token of a pod: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, exchanged at STS. @throws CairnError */
export async function webIdentityCredentials({
  env,
  region,
  exchange,
}: CredentialParts): Promise<FoundCredentials | undefined> {
  const file = env['AWS_WEB_IDENTITY_TOKEN_FILE'];
  const role = env['AWS_ROLE_ARN'];
  if (!file || !role) return undefined;
  const url = new URL(env['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.amazonaws.com`);
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: env['AWS_ROLE_SESSION_NAME'] || 'cairn',
    WebIdentityToken: await readWord(file),
  });
  const body = Buffer.from(form.toString());
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield body;
  };
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.byteLength),
  };
  const element = find(parseXml(await ask(exchange, { method: 'POST', url, headers, open })), 'Credentials');
  const text = (name: string): string | undefined =>
    element === undefined ? undefined : textIn(element, name);
  return ofJson(
    JSON.stringify({
      AccessKeyId: text('AccessKeyId'),
      SecretAccessKey: text('SecretAccessKey'),
      Token: text('SessionToken'),
      Expiration: text('Expiration'),
    }),
  );
}

function find(element: XmlElement, name: string): XmlElement | undefined {
  if (element.name === name) return element;
  for (const child of element.children) {
    const found = find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A text with keys is a secret, which no error may quote. */
function ofJson(text: string): FoundCredentials {
  const parsed = v.safeParse(schema, text);
  if (!parsed.success)
    throw new CairnError('config-invalid', 'the service of the role answered without keys for the bucket');
  const {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration,
  } = parsed.output;
  const expiresAtMs = Expiration === undefined ? Number.NaN : Date.parse(Expiration);
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken,
    expiresAtMs: Number.isFinite(expiresAtMs) ? expiresAtMs : undefined,
  };
}

async function ask(exchange: Exchanger, request: Exchange): Promise<string> {
  const where = `${request.url.origin}${request.url.pathname}`;
  try {
    const { status, body } = await exchange(request);
    const text = await textOfBody(body, MAX_ANSWER_BYTES);
    if (status === 200) return text;
    throw new CairnError(
      'config-invalid',
      `${printable(where)} answered ${status} in place of keys for the bucket`,
    );
  } catch (error) {
    if (error instanceof CairnError && error.code === 'config-invalid') throw error;
    const message = `the keys for the bucket could not be fetched from ${printable(where)}; try again later`;
    throw new CairnError('server-busy', message, { cause: error });
  }
}

async function readWord(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw storageError(error, `reading "${printable(path)}"`);
  }
}
