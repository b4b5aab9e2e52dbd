/**
 * The body of a request of Node's parser. `data` events instead of the stream's own iterator: that one joins what waits
 * into new buffers, and its early end destroys the connection that the answer has to go through.
 */
import type { IncomingMessage } from 'node:http';
import type { BodyListener, BodySource } from '../../base/body-reader.ts';

/** Bytes that wait in memory before the sender is held back. */
const MAX_WAITING_BYTES = 512 * 1024;

/** A request's body; its pieces are never changed. */
export function requestBody(request: IncomingMessage): BodySource {
  let stop = (): void => undefined;
  return {
    maxWaitingBytes: MAX_WAITING_BYTES,
    listen: ({ data, end, cut }: BodyListener) => {
      // A body without a length that is cut also ends; only `complete` tells the difference.
      const onEnd = (): void => (request.complete ? end() : cut());
      stop = () => void request.off('data', data).off('end', onEnd).off('close', cut);
      request.on('data', data).on('end', onEnd).on('close', cut);
      if (request.destroyed) cut();
    },
    taken: () => undefined,
    pause: () => void request.pause(),
    resume: () => void request.resume(),
    stop: () => stop(),
  };
}
