/** The names and numbers of users and groups, from wherever this machine keeps them (nsswitch.conf(5)). */
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';

/** Looks up users and groups; undefined for those that there are not. A call may wait for a directory service. */
export interface UserDatabase {
  userName(uid: number): string | undefined;
  groupName(gid: number): string | undefined;
  uidOf(name: string): number | undefined;
  gidOf(name: string): number | undefined;
}

/** Binds getpwuid and its like. They share memory of the C library, which each call reads before another one runs. */
export function bindUserDatabase(module: typeof koffi, library: LibraryHandle): UserDatabase {
  // `struct passwd` and `struct group` begin alike.
  const row = module.struct({ name: 'const char *', password: 'void *', id: 'uint32_t' });
  const bind = (
    call: string,
    key: string,
  ): ((key: string | number) => { name: string; id: number } | undefined) => {
    const find = library.func(`void *${call}(${key})`);
    return (wanted) => {
      const found: unknown = find(wanted);
      return found === null ? undefined : (module.decode(found, row) as { name: string; id: number });
    };
  };
  const byUid = bind('getpwuid', 'uint32_t uid');
  const byGid = bind('getgrgid', 'uint32_t gid');
  const byUser = bind('getpwnam', 'const char *name');
  const byGroup = bind('getgrnam', 'const char *name');
  return {
    userName: (uid) => byUid(uid)?.name,
    groupName: (gid) => byGid(gid)?.name,
    uidOf: (name) => byUser(name)?.id,
    gidOf: (name) => byGroup(name)?.id,
  };
}

/** Rows that a cache keeps; a hostile tree may name any number of users. */
const MAX_CACHED = 4096;

/** The same with a cache, for one scan or one transfer: a user who is added meanwhile is not seen. */
export function cachedUsers(users: UserDatabase): UserDatabase {
  const { userName, groupName, uidOf, gidOf } = users;
  return {
    userName: cached(userName),
    groupName: cached(groupName),
    uidOf: cached(uidOf),
    gidOf: cached(gidOf),
  };
}

function cached<Key, Value>(find: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    if (known.has(key)) return known.get(key)!;
    const value = find(key);
    if (known.size >= MAX_CACHED) known.clear();
    known.set(key, value);
    return value;
  };
}
