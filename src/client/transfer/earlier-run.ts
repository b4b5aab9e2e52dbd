/** What becomes of a transfer that an earlier run began: it goes on, or it is given up, or it is over. */
import { CairnError } from '../../base/errors.ts';
import type { ResumeRequest } from '../../wire/messages.ts';
import { giveUpSession } from '../session/give-up.ts';
import { openSession, type SessionClient } from '../session/session-client.ts';
import { isSessionGone } from '../session/session-gone.ts';
import { otherThanAsked } from '../state/asked.ts';
import type { TransferFolder } from '../state/transfer-folder.ts';
import type { TransferRecord } from '../state/transfer-record.ts';
import type { TransferTask } from './transfer-task.ts';

/** Begins a new epoch of a recorded session, and writes that down. @throws CairnError like {@link openSession} */
export async function resumeRecorded(
  { context, folder, options }: TransferTask,
  record: TransferRecord,
  wish?: ResumeRequest,
): Promise<SessionClient> {
  const session = await openSession(context, record.session, wish);
  await folder.update({ session: session.terms, resumeCommand: [...options.resumeCommand] });
  return session;
}

/**
 * Gives up a recorded transfer where this run asks for something else; answers whether it did.
 *
 * @param forget removes the record, and what belongs to it
 */
export async function giveUpIfUnlike(
  { context, folder, options }: TransferTask,
  forget: () => Promise<void>,
): Promise<boolean> {
  const { record } = folder;
  const message = record === undefined ? undefined : otherThanAsked(record, options);
  if (record === undefined || message === undefined) return false;
  context.report({ type: 'notice', message });
  await giveUpSession(context, record.session);
  await forget();
  return true;
}

/**
 * Runs a pass. A record of a session that is gone would only be in the way of the next run; what does not fit together is
 * thrown away.
 *
 * @param discard removes the record, and the bytes that belong to it
 */
export async function forgettingWhatIsOver<Result>(
  folder: TransferFolder,
  discard: () => Promise<void>,
  pass: () => Promise<Result>,
): Promise<Result> {
  try {
    return await pass();
  } catch (error) {
    if (isSessionGone(error)) await folder.clear();
    else if (error instanceof CairnError && error.code === 'digest-mismatch') await discard();
    throw error;
  }
}
