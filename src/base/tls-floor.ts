/** The minimum for TLS, for servers and clients. */

/**
 * Options of a TLS context: version 1.2 or later, and only cipher suites with forward secrecy (an ephemeral key
 * exchange on elliptic curves) and authenticated encryption. RFC 9325, section 4.2, without finite-field groups, whose
 * strength the other side would choose.
 */
export const TLS_FLOOR = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
} as const;
