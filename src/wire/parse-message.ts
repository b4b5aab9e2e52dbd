/** Checks messages from the other side against their schemas. */
import * as v from 'valibot';
import { CairnError } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';

/**
 * Checks a message from the other side.
 *
 * @throws CairnError `invalid-request` that names the first wrong field
 */
export function parseMessage<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const at = v.getDotPath(issue)?.slice(0, MAX_SHOWN);
  // Values are not quoted: one may be a secret in the wrong field.
  const why = issue.message.replace(
    `but received ${issue.received}`,
    () => `but received ${kindOf(issue.input)}`,
  );
  throw new CairnError(
    'invalid-request',
    `${what} is not valid${at === undefined ? '' : ` at ${printable(at)}`}: ${printable(why.slice(0, MAX_SHOWN))}`,
  );
}

const MAX_SHOWN = 300;

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string' ? 'another text' : `another ${typeof value}`;
}

/** Parses JSON text from the other side and checks it. @throws CairnError `invalid-request` */
export function parseJsonMessage<Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
  what: string,
): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CairnError('invalid-request', `${what} is no JSON`, { cause: error });
  }
  return parseMessage(schema, value, what);
}
