/** A request for a session, and in whose name. */
import type { Authorization } from '../../../session/authorization.ts';
import type { EstablishRequest } from '../../../wire/messages.ts';
import type { Resuming } from './resuming.ts';

/** Who wants a session, and which. */
export interface SessionWish {
  readonly authorization: Authorization;
  /** Network address. */
  readonly address: string;
  /** Safe relative path. */
  readonly target: string;
  readonly request: EstablishRequest;
}

/** Whoever asks for a session by what it is about has no credential of it, and has authenticated. */
export function resumingOf({ authorization, address, request }: SessionWish): Resuming {
  return { authorization, address, credential: undefined, sync: request.sync, encodings: request.encodings };
}
