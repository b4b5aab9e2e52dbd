/** What the bundles contain of other packages: their licenses, and a bill of materials in CycloneDX. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readPackage, ROOT } from './esbuild.bundle.js';

/**
 * What is read of an entry of package-lock.json.
 *
 * @typedef {object} Locked
 * @property {string} [version]
 * @property {string} [license]
 * @property {string} [integrity]
 * @property {boolean} [dev] only development needs it
 * @property {boolean} [optional]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [devDependencies]
 * @property {Record<string, string>} [optionalDependencies]
 */

/** @typedef {{ folder: string, name: string, locked: Locked, isBundled: boolean }} Part */

/**
 * Folders of the npm packages of which at least one byte is in the output, relative to the repository.
 *
 * @param {readonly import('esbuild').Metafile[]} metafiles
 * @returns {string[]}
 */
export function bundledFolders(metafiles) {
  const outputs = metafiles.flatMap((metafile) => Object.values(metafile.outputs));
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs));
  const folders = inputs
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([file]) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)].toSorted();
}

/** @param {string} folder @returns {string} */
function licenseOf(folder) {
  const { name, version, license } = readPackage(path.join(ROOT, folder));
  const texts = readdirSync(path.join(ROOT, folder))
    .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    .map((file) => readFileSync(path.join(ROOT, folder, file), 'utf8').trim());
  if (texts.length === 0 && license === undefined)
    throw new Error(`${name} is bundled, but names no license`);
  return [`${name} ${version} (${license ?? 'see below'})`, ...texts].join('\n\n');
}

/**
 * The licenses of the packages in these folders, as one text.
 *
 * @param {readonly string[]} folders
 * @returns {string}
 */
export function licensesOf(folders) {
  const heading = 'cairn contains code of these packages:';
  return `${[heading, ...folders.map(licenseOf)].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/**
 * The bill of materials: the packages in these folders, whose code is in the bundles, and those that npm installs beside
 * cairn. It says nothing of when or where it was made: the same parts have the same bill.
 *
 * @param {readonly string[]} folders
 * @returns {object} CycloneDX 1.6
 */
export function billOfMaterials(folders) {
  /** @type {{ packages: Record<string, Locked> }} */
  const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const parts = partsOf(packages, new Set(folders));
  const own = readPackage(ROOT);
  const ownRef = purlOf(own.name, own.version);
  const components = [...parts.values()].map(componentOf);
  const dependencies = dependenciesOf(ownRef, packages, parts);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: serialNumberOf({ ownRef, components, dependencies }),
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: {
        'type': 'application',
        'bom-ref': ownRef,
        'name': own.name,
        'version': own.version,
        'description': own.description,
        'licenses': licenseChoice(own.license),
        'purl': ownRef,
      },
    },
    components,
    dependencies,
  };
}

/**
 * @param {Record<string, Locked>} packages
 * @param {ReadonlySet<string>} bundled
 * @returns {Map<string, Part>} by folder
 */
function partsOf(packages, bundled) {
  const parts = Object.entries(packages)
    .filter(([folder, { dev }]) => folder !== '' && (bundled.has(folder) || dev !== true))
    .map(([folder, locked]) => {
      const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return /** @type {const} */ ([folder, { folder, name, locked, isBundled: bundled.has(folder) }]);
    });
  const missing = [...bundled].filter((folder) => packages[folder] === undefined);
  if (missing.length > 0) throw new Error(`bundled, but not in package-lock.json: ${missing.join(', ')}`);
  return new Map(parts);
}

/** @param {Part} part */
function componentOf({ name, locked, isBundled }) {
  const [scope, plainName] = name.startsWith('@') ? name.split('/') : [undefined, name];
  const purl = purlOf(name, locked.version ?? '');
  return {
    'type': 'library',
    'bom-ref': purl,
    ...(scope === undefined ? {} : { group: scope }),
    'name': plainName,
    'version': locked.version,
    'scope': isBundled ? 'required' : 'optional',
    'hashes': hashesOf(locked.integrity),
    'licenses': licenseChoice(locked.license),
    purl,
    'properties': [{ name: 'cdx:npm:package:bundled', value: String(isBundled) }],
  };
}

/** @param {string} name @param {string} version */
function purlOf(name, version) {
  return `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
}

/** @param {string | undefined} license */
function licenseChoice(license) {
  if (license === undefined) return [];
  return /[ ()]/.test(license) ? [{ expression: license }] : [{ license: { id: license } }];
}

/** The digest of the package as npm distributes it. @param {string | undefined} integrity */
function hashesOf(integrity) {
  const base64 = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1];
  return base64 === undefined
    ? []
    : [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }];
}

/**
 * @param {string} ownRef
 * @param {Record<string, Locked>} packages
 * @param {Map<string, Part>} parts
 */
function dependenciesOf(ownRef, packages, parts) {
  /** @param {string} folder @param {readonly string[]} names */
  const refsOf = (folder, names) => {
    const found = names.map((name) => parts.get(resolved(packages, folder, name)));
    return found
      .filter((part) => part !== undefined)
      .map(({ name, locked }) => purlOf(name, locked.version ?? ''))
      .toSorted();
  };
  const { dependencies, devDependencies, optionalDependencies } = packages[''] ?? {};
  const direct = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const own = { ref: ownRef, dependsOn: refsOf('', direct) };
  const others = Array.from(parts.values(), ({ folder, name, locked }) => ({
    ref: purlOf(name, locked.version ?? ''),
    dependsOn: refsOf(folder, Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })),
  }));
  return [own, ...others];
}

/**
 * Where Node finds the package `name` from `folder`.
 *
 * @param {Record<string, Locked>} packages
 * @param {string} folder
 * @param {string} name
 * @returns {string}
 */
function resolved(packages, folder, name) {
  const here = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
  if (folder === '' || packages[here] !== undefined) return here;
  const above = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')));
  return resolved(packages, above, name);
}

/** A number of the bill's own, from what it says. @param {object} contents */
function serialNumberOf(contents) {
  const hex = createHash('sha256').update(JSON.stringify(contents)).digest('hex');
  // Version 8 of a UUID may be made in any way; the 8 after it says that it is one of RFC 9562.
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return `urn:uuid:${[...groups, hex.slice(20, 32)].join('-')}`;
}
