/** The device flow (RFC 8628): a user approves in any browser, while a command waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { unlessAborted } from '../../../base/abort-signals.ts';
import { CairnError } from '../../../base/errors.ts';
import { isPrivateLink } from '../../../base/issuer-url.ts';
import { asking, tokensOf, type Issuer, type Tokens } from '../../access/issuer.ts';

/** What the user has to do. All of it comes from the issuer, and was checked to be fit for a terminal. */
export interface DevicePrompt {
  /** Where to go. */
  readonly url: string;
  /** The same with the code in it, where the issuer has that. */
  readonly urlWithCode: string | undefined;
  readonly code: string;
  readonly expiresInMs: number;
  /** Resolves when the user has approved. @throws CairnError `login-failed`, the signal's reason */
  readonly approved: () => Promise<Tokens>;
}

const MAX_WAIT_SECONDS = 3600;
const DEFAULT_INTERVAL_SECONDS = 5;
const MAX_INTERVAL_SECONDS = 60;
const CODE = /^[!-~][ -~]{0,63}$/;

/**
 * Begins a login.
 *
 * @throws CairnError `login-failed` where the issuer refuses, or says what cannot be shown; `issuer-unavailable`
 */
export async function beginDeviceFlow(issuer: Issuer, scopes: readonly string[]): Promise<DevicePrompt> {
  const { config, url, target } = issuer;
  if (config.serverMetadata().device_authorization_endpoint === undefined) {
    throw new CairnError('login-failed', `the issuer ${url.href} has no device flow (RFC 8628)`);
  }
  const answer = await asking(issuer, () =>
    oauth.initiateDeviceAuthorization(config, { scope: scopes.join(' '), ...target }),
  );
  const seconds = Math.min(answer.expires_in, MAX_WAIT_SECONDS);
  const interval = Math.min(answer.interval ?? DEFAULT_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS);
  const { user_code: code, verification_uri_complete: complete } = answer;
  if (!CODE.test(code)) throw unshowable(url);
  return {
    url: shownUrl(answer.verification_uri, url),
    urlWithCode: complete === undefined ? undefined : shownUrl(complete, url),
    code,
    expiresInMs: seconds * 1000,
    approved: () => {
      const polling = poll(issuer, { ...answer, interval }, performance.now() + seconds * 1000);
      // At once: openid-client looks at its signal only after a pause.
      return issuer.signal === undefined ? polling : unlessAborted(polling, issuer.signal);
    },
  };
}

/** Asks until there is an answer; an issuer that is away for a while costs nothing but time. */
async function poll(
  issuer: Issuer,
  device: oauth.DeviceAuthorizationResponse & { readonly interval: number },
  endsAtMs: number,
): Promise<Tokens> {
  const { config, target, signal } = issuer;
  const end = AbortSignal.timeout(Math.max(1, Math.ceil(endsAtMs - performance.now())));
  const either = signal === undefined ? end : AbortSignal.any([signal, end]);
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await asking(issuer, () =>
        oauth.pollDeviceAuthorizationGrant(config, device, target, { signal: either }),
      );
      return tokensOf(answer, issuer.url);
    } catch (error) {
      if (end.aborted) throw tooLate();
      const isAway = error instanceof CairnError && error.code === 'issuer-unavailable';
      if (!isAway) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop -- as above
    await sleep(device.interval * 1000, undefined, { signal: either }).catch(() => signal?.throwIfAborted());
  }
}

/** As the URL parser writes it: no character of it moves a cursor, and no name of a host only looks like another. */
function shownUrl(text: string, issuer: URL): string {
  if (text.length > 2048 || !URL.canParse(text)) throw unshowable(issuer);
  const url = new URL(text);
  if (!isPrivateLink(url) || url.username !== '' || url.password !== '') throw unshowable(issuer);
  return url.href;
}

function unshowable(issuer: URL): CairnError {
  const message = `the issuer ${issuer.href} names a page without https, or a code that cannot be shown`;
  return new CairnError('login-failed', message);
}

function tooLate(): CairnError {
  return new CairnError('login-failed', 'the login was not approved in time; run cairn login again');
}
