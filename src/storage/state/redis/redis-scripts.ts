/** What has to happen in Redis in one step, as scripts; each has one key. */

/** ARGV: milliseconds of a window. Counts one more; answers the count, and how much of the window is left. */
export const COUNT = `
  local count = redis.call('INCR', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
  end
  return { count, left }`;

/** ARGV: a version, and for how many milliseconds it counts. Keeps it, unless a higher one is kept. */
export const NOTE_VERSION = `
  local known = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
  if known <= tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return 1`;

/**
 * ARGV: how many entries to keep, the text of a new one, for how many milliseconds the list counts, and the last entry that
 * the caller knows. Answers the name of the new entry, and the entries from the known one on, with both.
 */
export const APPEND = `
  local name = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 't', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return { name, redis.call('XRANGE', KEYS[1], ARGV[4], '+') }`;
