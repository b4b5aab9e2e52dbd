/** Proves to a client of the same user on this machine who listens here. */
import { endsOf, isChallenge, localProof } from '../../wire/server-proof.ts';
import { HEADER } from '../../wire/routes.ts';
import type { Exchange } from './exchange.ts';

/**
 * Answers the challenge of a request, where it has one: for this connection, and for no other.
 *
 * @param localKey secret that it is proved with; undefined where nothing is proved
 */
export function showProof(localKey: string | undefined, { request, response }: Exchange): void {
  const challenge = request.headers[HEADER.challenge];
  if (localKey === undefined || !isChallenge(challenge)) return;
  const { here: server, there: client } = endsOf(request.socket);
  response.setHeader(HEADER.proof, localProof(localKey, challenge, { client, server }));
}
