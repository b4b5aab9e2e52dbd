/** The words of options that take one of a few: for their help, completion and man pages, and their parsers. */
import type { CompressMode } from '../../client/api/options.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';

/** Of `--digest`. */
export const DIGESTS = ['xxh64', 'sha256'] as const satisfies readonly DigestAlgorithm[];

/** Of `--compress`; not the client's own list, whose module loads what compresses. */
export const COMPRESS_WORDS = ['auto', 'always', 'never'] as const satisfies readonly CompressMode[];

/** Of `--log-level`. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const;
