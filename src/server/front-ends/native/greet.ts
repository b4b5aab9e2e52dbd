/** `GET` of the protocol's root: the name, version and features of the server. */
import type { MetadataPolicy } from '../../core/metadata-policy.ts';
import { CHANNEL_PROTOCOL } from '../../../wire/message-head.ts';
import type { Hello, LoginOffer } from '../../../wire/messages.ts';
import { HEADER, PROTOCOL_VERSION } from '../../../wire/routes.ts';
import type { Handler } from '../../http/handler.ts';
import { showProof } from '../../http/prove-local.ts';
import { sendJson } from '../../http/reply.ts';

/** What a server tells every client about itself. */
export interface Greeting {
  readonly version: string;
  readonly metadata: Pick<MetadataPolicy, 'push' | 'pull'>;
  /** Where a client gets access tokens. */
  readonly login: LoginOffer | undefined;
  /** Secret key of its proofs for clients of the same user; undefined where it proves nothing. */
  readonly localKey: string | undefined;
}

/** Makes the handler of the greeting. */
export function createGreetingHandler({ version, metadata, login, localKey }: Greeting): Handler {
  const hello: Hello = { ...greetingOf({ version, metadata }), ...(login === undefined ? {} : { login }) };
  return (exchange) => {
    showProof(localKey, exchange);
    return sendJson(exchange, 200, hello);
  };
}

/** Adds the greeting to every `HEAD` of a file: a client that looks for the protocol saves a round trip. */
export function withGreeting(about: Pick<Greeting, 'version' | 'metadata'>, files: Handler): Handler {
  const text = JSON.stringify(greetingOf(about));
  return (exchange) => {
    if (exchange.method === 'HEAD') exchange.response.setHeader(HEADER.hello, text);
    return files(exchange);
  };
}

function greetingOf({ version, metadata }: Pick<Greeting, 'version' | 'metadata'>): Hello {
  return {
    server: 'cairn',
    version,
    protocol: PROTOCOL_VERSION,
    channels: [CHANNEL_PROTOCOL],
    treeIds: true,
    metadata: { push: [...metadata.push], pull: [...metadata.pull] },
    deletions: true,
  };
}
