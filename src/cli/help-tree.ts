/** What stands after the help of the commands that change a tree. */

const NEEDS = `
The access token needs the scope "write". Nothing can be got back, and the root of the server, that of the token, and what
is cairn's own stay as they are.`;

/** After the help of `cairn rm`. */
export const RM_HELP = `
Examples:
  cairn rm http://127.0.0.1:7070/photos/old.jpg
  cairn rm -r http://127.0.0.1:7070/photos/2019

A directory that is not empty is removed only with -r.
${NEEDS}`;

/** After the help of `cairn mv`. */
export const MV_HELP = `
Examples:
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/report-2025.pdf
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/archive/

Both URLs are of the same server. What goes to a directory, or to a URL with a slash at its end, keeps its name there.
${NEEDS}`;

/** After the help of `cairn mkdir`. */
export const MKDIR_HELP = `
Examples:
  cairn mkdir -p http://127.0.0.1:7070/backups/laptop
${NEEDS}`;
