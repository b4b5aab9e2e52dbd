/** The environment of programs of the user that cairn starts. */

/** Variables that are secrets of cairn, and are not passed on. */
const SECRET_VARIABLES: ReadonlySet<string> = new Set(['CAIRN_TOKEN']);

/** The environment without the secrets that are meant for cairn. */
export function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !SECRET_VARIABLES.has(name)));
}
