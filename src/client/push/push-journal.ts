/** The journal of a push: what the server says is durable. */
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';

/** Opens the journal of a push in its folder. @throws CairnError `journal-corrupt`, storage codes */
export function openPushJournal(
  folder: TransferFolder,
  { id, digest }: Pick<Manifest, 'id' | 'digest'>,
): Promise<CheckpointLog> {
  return folder.openJournal({ manifestId: id, digestLengthBytes: DIGEST_LENGTH_BYTES[digest] });
}
