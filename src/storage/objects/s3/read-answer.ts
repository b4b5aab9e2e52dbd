/** Reads an answer whole; asks again where it is cut. */
import { CairnError } from '../../../base/errors.ts';
import { textOfBody } from './http-exchange.ts';
import { failureError } from './s3-failure.ts';
import type { S3Client, S3Request } from './s3-client.ts';

/**
 * The text of the answer to a request that can be sent twice.
 *
 * @throws CairnError `storage-io` for an answer of more than `maxBytes`; that of a refusal; `server-busy`
 */
export async function readAnswer(client: S3Client, request: S3Request, maxBytes: number): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const { failure, body } = await client.send(request);
    if (failure !== undefined) throw failureError(failure, request.doing);
    try {
      return await textOfBody(body, maxBytes);
    } catch (error) {
      if (error instanceof CairnError && error.code === 'storage-io') throw error;
      const message = `the connection to the store was cut again and again while ${request.doing}; try again later`;
      await client.pause(tries, new CairnError('server-busy', message, { cause: error }));
    }
  }
}
