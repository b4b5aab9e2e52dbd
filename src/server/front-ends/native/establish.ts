/** `POST sessions` and `POST sessions/{id}/resume`. */
import { targetPathOf } from '../../../base/safe-path.ts';
import { checkProtocolMajor, EstablishRequest, ResumeRequest } from '../../../wire/messages.ts';
import { PROTOCOL_VERSION } from '../../../wire/routes.ts';
import type { EarlierSessions } from '../../core/sessions/earlier-sessions.ts';
import type { Establish } from '../../core/sessions/establishing.ts';
import { credentialOf, type Access } from '../../http/authorize.ts';
import type { Handler, IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';

/** What the handlers of new and resumed sessions need. */
export interface Asked {
  readonly access: Pick<Access, 'authenticate'>;
  readonly maxJsonBytes: number;
}

/** Makes the handler that starts a session, or resumes the unfinished one that the client means. */
export function createEstablishHandler({ access, maxJsonBytes }: Asked, establish: Establish): Handler {
  const limit = { maxBytes: maxJsonBytes, what: 'the request for a session' };
  return async (exchange) => {
    const authorization = await access.authenticate(exchange);
    const request = await readJson(exchange, EstablishRequest, limit);
    checkProtocolMajor(request.protocol.major, PROTOCOL_VERSION.major);
    const target = targetPathOf(request.target);
    const { address } = exchange;
    const { terms, isNew } = await establish({ authorization, address, target, request });
    await sendJson(exchange, isNew ? 201 : 200, terms);
  };
}

/** Makes the handler that resumes a session by its id. */
export function createResumeHandler(
  { access, maxJsonBytes }: Asked,
  { byId }: Pick<EarlierSessions, 'byId'>,
): IdHandler {
  const limit = { maxBytes: maxJsonBytes, what: 'the request to resume' };
  return async (exchange, id) => {
    const authorization = await access.authenticate(exchange);
    const { sync, encodings } = await readJson(exchange, ResumeRequest, limit);
    const credential = credentialOf(exchange);
    const { address } = exchange;
    await sendJson(exchange, 200, await byId(id, { sync, encodings, authorization, credential, address }));
  };
}
