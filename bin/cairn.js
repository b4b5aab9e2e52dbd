#!/usr/bin/env node
// CommonJS, as are the bundles: Node 20 needs 12 ms to get its loader for ES modules ready.
'use strict';
const { existsSync } = require('node:fs');
const path = require('node:path');

const file = path.join(__dirname, '..', 'dist', 'start.cjs');
if (existsSync(file)) {
  require(file);
} else {
  process.stderr.write('cairn: not built yet: run npm run build\n');
  process.exitCode = 1;
}
