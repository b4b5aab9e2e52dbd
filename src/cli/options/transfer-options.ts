/** The options of push and pull; add one of both here, and its value to transfer-settings.ts. */
import { Option, type Command } from 'commander';
import { SYNC_MODES } from '../../session/sync-mode.ts';
import { COMPRESS_WORDS, DIGESTS } from './choices.ts';
import { addClientOptions } from './client-options.ts';
import { GROUPS, optionOf, repeatable } from './option.ts';

/** Adds what push and pull share. */
export function addTransferOptions(command: Command): Command {
  return addClientOptions(addHow(addWhat(command)), '5m')
    .optionsGroup(GROUPS.output)
    .option('-v, --verbose', 'print the name of each file once it is done');
}

function addWhat(command: Command): Command {
  return command
    .optionsGroup(GROUPS.what)
    .option('-n, --dry-run', 'print what would happen to each entry, and change nothing')
    .option('--checksum', 'compare contents instead of size and modification time')
    .option('--force-replace', 'replace a directory with everything in it by a file or link')
    .option(
      '--preserve-modes',
      'also keep write bits that the umask of the receiver denies, and set-group-id of directories',
    )
    .addOption(
      repeatable(
        new Option(
          '--chmod <changes>',
          'change modes on the way, as chmod and rsync do: D755,F644 or go-w,a+X',
        ),
      ),
    );
}

function addHow(command: Command): Command {
  return command
    .optionsGroup(GROUPS.how)
    .option(
      '--parallel <n>',
      'chunks on their way at a time, 1 to 64 (default: as many as the connection can use, up to 48)',
    )
    .option(
      '--chunk-size <size>',
      'bytes of a chunk, 64K to 64M (default: 1M to 8M, by the size of the transfer; 2M for a pipe)',
    )
    .addOption(
      optionOf(
        '--digest <name>',
        'xxh64 (default, finds accidents) or sha256 (where the other side is not trusted)',
        DIGESTS,
      ),
    )
    .addOption(
      optionOf(
        '--sync <mode>',
        'when the receiver makes bytes durable: always (each chunk), group (every half second) or close (at the end)',
        SYNC_MODES,
      ),
    )
    .option(
      '--bwlimit <rate>',
      'most bytes a second, of all connections together: 10M, or by the time of day: "08:00,1M 19:00,off"',
    )
    .addOption(
      optionOf(
        '--compress <when>',
        'compress chunks that shrink: auto (default: where the connection is slow), always or never',
        COMPRESS_WORDS,
      ),
    );
}
