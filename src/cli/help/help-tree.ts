/** Examples and notes of the commands that change a tree. */

const NEEDS = `
The access token needs the scope "write". There is no way to undo it. The root of the server, the path of the token and the
files of cairn itself cannot be changed.`;

/** After the help of `cairn rm`. */
export const RM_HELP = `
Examples:
  cairn rm http://127.0.0.1:7070/photos/old.jpg
  cairn rm -r http://127.0.0.1:7070/photos/2019

A directory that is not empty needs -r.
${NEEDS}`;

/** After the help of `cairn mv`. */
export const MV_HELP = `
Examples:
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/report-2025.pdf
  cairn mv http://127.0.0.1:7070/report.pdf http://127.0.0.1:7070/archive/

Both URLs are of the same server. A move to a directory, or to a URL with a slash at its end, keeps the name.
${NEEDS}`;

/** After the help of `cairn mkdir`. */
export const MKDIR_HELP = `
Examples:
  cairn mkdir -p http://127.0.0.1:7070/backups/laptop
${NEEDS}`;
