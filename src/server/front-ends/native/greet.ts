/** `GET` of the protocol's root: who this is, and what it can do. */
import { CHANNEL_PROTOCOL } from '../../../wire/message-head.ts';
import type { Hello, LoginOffer } from '../../../wire/messages.ts';
import { HEADER, PROTOCOL_VERSION } from '../../../wire/routes.ts';
import type { Handler } from '../../http/handler.ts';
import { showProof } from '../../http/prove-local.ts';
import { sendJson } from '../../http/reply.ts';

/** What a server says of itself, to anyone. */
export interface Greeting {
  readonly version: string;
  /** Where access tokens come from. */
  readonly login: LoginOffer | undefined;
  /** Secret that it proves itself with to clients of the same user; undefined where it proves nothing. */
  readonly localKey: string | undefined;
}

/** Makes what greets. */
export function createGreetingHandler({ version, login, localKey }: Greeting): Handler {
  const hello: Hello = { ...greetingOf(version), ...(login === undefined ? {} : { login }) };
  return (exchange) => {
    showProof(localKey, exchange);
    return sendJson(exchange, 200, hello);
  };
}

/** Who looks for the protocol over a long line need not ask for the greeting, too: a `HEAD` of any file answers it. */
export function withGreeting(version: string, files: Handler): Handler {
  const text = JSON.stringify(greetingOf(version));
  return (exchange) => {
    if (exchange.method === 'HEAD') exchange.response.setHeader(HEADER.hello, text);
    return files(exchange);
  };
}

function greetingOf(version: string): Hello {
  return {
    server: 'cairn',
    version,
    protocol: PROTOCOL_VERSION,
    channels: [CHANNEL_PROTOCOL],
    treeIds: true,
  };
}
