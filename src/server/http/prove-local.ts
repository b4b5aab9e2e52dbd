/** Proves to a client of the same user on this machine that the user's own server listens here. */
import { endsOf, isChallenge, localProof } from '../../wire/server-proof.ts';
import { HEADER } from '../../wire/routes.ts';
import type { Exchange } from './exchange.ts';

/**
 * Answers the challenge of a request, where it has one; the proof is valid for this connection only.
 *
 * @param localKey secret key of the proof; undefined where the server proves nothing
 */
export function showProof(localKey: string | undefined, { request, response }: Exchange): void {
  const challenge = request.headers[HEADER.challenge];
  if (localKey === undefined || !isChallenge(challenge)) return;
  const { here: server, there: client } = endsOf(request.socket);
  response.setHeader(HEADER.proof, localProof(localKey, challenge, { client, server }));
}
