/**
 * A disk that can lose its power: a file system in a file, mounted over a loop device. The cut is the shutdown ioctl
 * of ext4 and xfs without a flush: from then on nothing reaches the disk, neither pages nor the journal.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { IS_FULL } from '../../support/campaign.ts';

const MIB = 1024 * 1024;
/** The smallest that mkfs.xfs takes is 300 MiB; what is not written takes no room. */
const SIZE_BYTES = { ext4: 192 * MIB, xfs: 320 * MIB } as const;
const UNMOUNT_TRIES = 200;
const UNMOUNT_PAUSE_MS = 50;
const DETACH_TRIES = 20;
const DETACH_PAUSE_MS = 10;

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number, _IOR('X', 125, __u32); 2 is "do not flush the log". */
const SHUT_DOWN = `
  use Fcntl;
  sysopen(my $fs, $ARGV[0], O_RDONLY | O_DIRECTORY) or die "open: $!";
  my $flag = pack('L', 2);
  defined ioctl($fs, 0x8004587d, $flag) or die "ioctl: $!";
`;
/** Waits for the end of whoever started it, however that comes, and leaves no mount behind. */
const GUARD = 'trap "" INT TERM HUP; cat >/dev/null; umount -l "$1/mount" 2>/dev/null; rm -rf "$1"';

/** A file system and how it is mounted. */
export interface DiskKind {
  readonly name: string;
  readonly type: 'ext4' | 'xfs';
  readonly options: string;
}

/** As distributions mount them; but xfs would refuse an image while a dead file system of the same id is still there. */
export const DISK_KINDS: readonly DiskKind[] = [
  { name: 'ext4', type: 'ext4', options: 'loop' },
  { name: 'xfs', type: 'xfs', options: 'loop,nouuid' },
];

/** All kinds in a full run; in a sample the one that is named, for cases in which they differ little. */
export function sampledKinds(inSample: DiskKind['type']): readonly DiskKind[] {
  return IS_FULL ? DISK_KINDS : DISK_KINDS.filter(({ type }) => type === inSample);
}

/** An ext4 that may show the names of files before their bytes. */
export const WRITEBACK: DiskKind = {
  name: 'ext4 with data=writeback',
  type: 'ext4',
  options: 'loop,data=writeback',
};

/** What is missing to cut the power of a disk; empty where all is there. To be put into names of tests. */
export const missingForPowerCuts: string = whatIsMissing();

function whatIsMissing(): string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return ' (needs root on Linux)';
  const probes: [string, string[]][] = [
    ['mount', ['--version']],
    ['losetup', ['--find']],
    ['perl', ['-MFcntl', '-e', '1']],
    ['mkfs.ext4', ['-V']],
    ['mkfs.xfs', ['-V']],
  ];
  const missing = probes.filter(([program, words]) => spawnSync(program, words).status !== 0);
  return missing.length === 0 ? '' : ` (needs ${missing.map(([program]) => program).join(', ')})`;
}

/** A mounted disk. It goes with the test, or earlier. */
export interface PowerDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** Makes everything that is on it durable. */
  sync(): void;
  /** From now on nothing reaches the disk. Stop who uses it before, and kill it after. */
  cut(): void;
  /** Mounts the disk again, as after a boot; nobody may use it. */
  remount(): Promise<void>;
  /** Unmounts it and takes it away. */
  remove(): Promise<void>;
}

/** Makes a disk with an empty file system. */
export function createPowerDisk(kind: DiskKind): PowerDisk {
  const directory = mkdtempSync(path.join(tmpdir(), 'cairn-power-'));
  let image = path.join(directory, 'image');
  const mountPoint = path.join(directory, 'mount');
  const guard = spawn('sh', ['-c', GUARD, 'sh', directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  mkdirSync(mountPoint);
  writeFileSync(image, '');
  truncateSync(image, SIZE_BYTES[kind.type]);
  must(`mkfs.${kind.type}`, ['-q', image]);
  const mount = (): void => must('mount', ['-t', kind.type, '-o', kind.options, image, mountPoint]);
  mount();
  let isMounted = true;
  const unmount = async (): Promise<void> => {
    for (let tries = 1; isMounted; tries += 1) {
      const { status, stderr } = spawnSync('umount', [mountPoint]);
      if (status === 0) isMounted = false;
      else if (tries === UNMOUNT_TRIES) throw new Error(`umount: ${stderr.toString()}`);
      else await sleep(UNMOUNT_PAUSE_MS);
    }
  };
  const remove = async (): Promise<void> => {
    try {
      await unmount();
    } finally {
      if (isMounted) spawnSync('umount', ['-l', mountPoint]);
      isMounted = false;
      rmSync(directory, { recursive: true, force: true });
      guard.stdin.end();
    }
  };
  onTestFinished(remove);
  return {
    path: mountPoint,
    sync: () => must('sync', ['-f', mountPoint]),
    cut: () => must('perl', ['-e', SHUT_DOWN, mountPoint]),
    remount: async () => {
      await unmount();
      if (await isHeldElsewhere(image)) image = copyOf(image);
      mount();
      isMounted = true;
    },
    remove,
  };
}

/**
 * Whether the file system lives on although it was unmounted here: a process with its own view of the mounts (such as
 * one in a network namespace) that began meanwhile still has it. Mounting the image would give the dead one again.
 */
async function isHeldElsewhere(image: string): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const { stdout, status } = spawnSync('losetup', ['--associated', image]);
    if (status !== 0 || stdout.length === 0) return false;
    if (tries === DETACH_TRIES) return true;
    await sleep(DETACH_PAUSE_MS);
  }
}

/** What is on the disk: nothing reaches it any more since the cut. */
function copyOf(image: string): string {
  const copy = `${image}-again`;
  must('cp', ['--sparse=always', image, copy]);
  rmSync(image);
  return copy;
}

function must(program: string, words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words);
  if (status === 0) return;
  throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? stderr.toString()}`);
}
