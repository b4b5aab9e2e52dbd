/** Asks who is at the other end of a new socket, before anything of this client's is sent on it. */
import type { Socket } from 'node:net';
import { CairnError } from '../../base/errors.ts';
import { HEADER, PROTOCOL_ROOT } from '../../wire/routes.ts';

const MAX_HEAD_BYTES = 16 * 1024;
const HEAD_END = '\r\n\r\n';

/**
 * Sends a challenge to the server at the other end, and answers its proof; undefined where its answer has none. The socket
 * is as new afterwards. The watch over the socket ends a silent one.
 *
 * @param host of the URL, with its port
 * @throws CairnError `network` where the socket is of no use any more
 */
export function askForProof(socket: Socket, host: string, challenge: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let head = '';
    const settle = (action: () => void): void => {
      socket.off('readable', onReadable).off('close', onClose).off('end', onClose);
      action();
    };
    const spoiled = (why: string): void =>
      settle(() =>
        reject(
          new CairnError(
            'network',
            `the process that listens at ${host} ${why} when it was asked to prove its identity`,
          ),
        ),
      );
    const onClose = (): void => spoiled('closed the connection');
    const onReadable = (): void => {
      for (let piece: unknown = socket.read(); piece !== null; piece = socket.read())
        head += (piece as Buffer).toString('latin1');
      if (head.length > MAX_HEAD_BYTES) return spoiled('said too much');
      const end = head.indexOf(HEAD_END);
      if (end < 0) return;
      // An answer to HEAD has no body: what follows belongs to nothing that was asked.
      if (end + HEAD_END.length !== head.length) return spoiled('said too much');
      settle(() => resolve(proofIn(head)));
    };
    socket.on('readable', onReadable).once('close', onClose).once('end', onClose);
    // One that has ended says so only once.
    if (socket.destroyed || socket.readableEnded) return onClose();
    socket.write(
      `HEAD /${PROTOCOL_ROOT} HTTP/1.1\r\nHost: ${host}\r\n${HEADER.challenge}: ${challenge}\r\n\r\n`,
    );
  });
}

function proofIn(head: string): string | undefined {
  const [status = '', ...fields] = head.split('\r\n');
  if (!/^HTTP\/1\.1 2\d\d( |$)/.test(status)) return undefined;
  const start = `${HEADER.proof}:`;
  const field = fields.find((line) => line.slice(0, start.length).toLowerCase() === start);
  return field?.slice(start.length).trim();
}
