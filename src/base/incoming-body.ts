/**
 * The body of a message of Node's parser, by `data` events. The stream's own iterator copies waiting bytes into new
 * buffers, and its early end destroys the connection, which has to carry the answer to a request.
 */
import type { IncomingMessage } from 'node:http';
import type { BodyListener, BodySource } from './body-reader.ts';

/** The number of waiting bytes in memory at which the sender has to stop. */
const MAX_WAITING_BYTES = 512 * 1024;

/** The body of a request, or of an answer; its pieces are never changed. */
export function incomingBody(message: IncomingMessage): BodySource {
  let stop = (): void => undefined;
  return {
    maxWaitingBytes: MAX_WAITING_BYTES,
    listen: ({ data, end, cut }: BodyListener) => {
      // A body without a length also ends when the connection is cut; only `complete` tells the difference.
      const onEnd = (): void => (message.complete ? end() : cut());
      stop = () => void message.off('data', data).off('end', onEnd).off('close', cut);
      message.on('data', data).on('end', onEnd).on('close', cut);
      if (message.destroyed) cut();
    },
    taken: () => undefined,
    pause: () => void message.pause(),
    resume: () => void message.resume(),
    stop: () => stop(),
  };
}
