/** A service manager's end of NOTIFY_SOCKET, in a process of its own: Node has no datagrams over Unix sockets. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { hasProgram } from './requirements.ts';

/** Whether such a receiver can run here. */
export const canReceiveDatagrams = process.platform === 'linux' && hasProgram('perl');

/** Prints what it receives, a line for each datagram, once it has read a line from its standard input. */
const RECEIVER = `
  use Socket; use strict; $| = 1;
  my $name = shift; $name =~ s/^@/\\0/;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
  bind($socket, pack_sockaddr_un($name)) or die "bind: $!";
  print "bound\\n";
  <STDIN>;
  while (defined recv($socket, my $message, 65536, 0)) { $message =~ s/\\n/;/g; print "$message\\n"; }
`;

/** A socket that is bound. */
export interface NotifySocket {
  /** Messages so far, each with `;` at the end of its lines. */
  readonly messages: readonly string[];
  /** Begins to read, where that was left to the caller. */
  read(): void;
  /** Resolves with the number of messages so far once `fits` holds for one that comes after the first `after`. */
  until(fits: (message: string) => boolean, after?: number): Promise<number>;
}

/** Binds a socket at `address`, until the test ends. */
export async function openNotifySocket(address: string, { isReading = true } = {}): Promise<NotifySocket> {
  const child = spawn('perl', ['-e', RECEIVER, address], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const messages: string[] = [];
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((done, fail) => {
    lines.once('line', () => done());
    child.once('close', () => fail(new Error('the receiver ended')));
  });
  lines.on('line', (line) => messages.push(line));
  const read = (): void => void child.stdin.write('\n');
  if (isReading) read();
  return {
    messages,
    read,
    until: async (fits, after = 0) => {
      // oxlint-disable-next-line no-await-in-loop -- the messages are looked at again and again
      while (!messages.slice(after).some(fits)) await delay(10);
      return messages.length;
    },
  };
}
