/** Labels of routes for metrics: few, so that neither ids nor names of files become labels. */
import { PROTOCOL_ROOT, PROTOCOL_SEGMENT } from '../../wire/routes.ts';

const ROOT = `/${PROTOCOL_ROOT}`;
const ALONE = new Set(['', 'tree', 'tree-id', 'sessions', 'whoami', 'probe', 'tokens', 'grants']);
const OF_SESSION = new Set([
  'resume',
  'manifest',
  'digests',
  'extras',
  'deletions',
  'blocks',
  'grains',
  'parts',
  'plan',
  'checkpoint',
  'sync',
  'heartbeat',
  'suspend',
  'commit',
]);
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE']);

/** The label of a request: its method and the form of its path, `PUT sessions/{id}/chunks/{n}`. */
export function routeLabel(method: string, path: string): string {
  const known = METHODS.has(method) ? method : 'other';
  return `${known} ${formOf(path)}`;
}

function formOf(path: string): string {
  if (!path.startsWith(ROOT)) {
    return path.startsWith(`/${PROTOCOL_SEGMENT}/`) ? 'operations' : 'files';
  }
  const [first = '', id, action, ...more] = path.slice(ROOT.length).split('/');
  if (id === undefined) return ALONE.has(first) ? first || 'greeting' : 'unknown';
  if (first !== 'sessions') return ALONE.has(first) ? `${first}/{id}` : 'unknown';
  if (action === undefined) return 'sessions/{id}';
  if (action === 'chunks' && more.length === 1) return 'sessions/{id}/chunks/{n}';
  return OF_SESSION.has(action) && more.length === 0 ? `sessions/{id}/${action}` : 'unknown';
}
