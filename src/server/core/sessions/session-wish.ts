/** A request for a session, with its authorization. */
import type { Authorization } from '../../../session/authorization.ts';
import type { EstablishRequest } from '../../../wire/messages.ts';
import type { Resuming } from './resuming.ts';

/** The sender of a request for a session, and its wish. */
export interface SessionWish {
  readonly authorization: Authorization;
  /** Network address. */
  readonly address: string;
  /** Safe relative path. */
  readonly target: string;
  readonly request: EstablishRequest;
}

/** A client that asks for a session by its transfer has no credential of it, and has authenticated. */
export function resumingOf({ authorization, address, request }: SessionWish): Resuming {
  return { authorization, address, credential: undefined, sync: request.sync, encodings: request.encodings };
}
