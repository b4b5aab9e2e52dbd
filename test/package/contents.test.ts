/** What the package says of what it contains: licenses and the bill of materials. `dist/` is built before. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as Cdx from '@cyclonedx/cyclonedx-library';
import { bundleAll, readPackage, ROOT } from '../../esbuild.bundle.js';
import { billOfMaterials, bundledFolders } from '../../esbuild.contents.js';

interface Component {
  readonly 'bom-ref': string;
  readonly 'group'?: string;
  readonly 'name': string;
  readonly 'version': string;
  readonly 'scope': string;
  readonly 'hashes': readonly { readonly content: string }[];
  readonly 'licenses': readonly object[];
}

interface Bill {
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const read = (file: string): string => readFileSync(path.join(ROOT, 'dist', file), 'utf8');
const nameOf = ({ group, name, version }: Component): string =>
  `${group === undefined ? '' : `${group}/`}${name} ${version}`;

/** Packages that are in the bundles, by a look of its own at what the bundler takes. */
let bundled: string[];
let bill: Bill;
beforeAll(async () => {
  const folders = bundledFolders(await bundleAll(path.join(ROOT, 'dist'), { write: false }));
  bundled = folders.map((folder) => {
    const { name, version } = readPackage(path.join(ROOT, folder));
    return `${name} ${version}`;
  });
  bill = JSON.parse(read('cairn.cdx.json')) as Bill;
});

describe('the bill of materials', () => {
  test('fits the schema of CycloneDX 1.6', async () => {
    const validator = new Cdx.Validation.JsonStrictValidator(Cdx.Spec.Version.v1dot6);
    expect(await validator.validate(read('cairn.cdx.json'))).toBeNull();
    expect(await validator.validate(read('cairn.cdx.json').replace('"library"', '"book"'))).not.toBeNull();
  });

  test('names each package of which code is in the bundles, and no other as required', () => {
    const required = bill.components.filter(({ scope }) => scope === 'required').map(nameOf);
    expect(required.toSorted()).toEqual(bundled.toSorted());
    expect(bundled.length).toBeGreaterThan(5);
    const optional = bill.components.filter(({ scope }) => scope !== 'required').map(({ name }) => name);
    expect(optional).toContain('koffi');
  });

  test('has a digest and a license of each part, and tells which part needs which', () => {
    for (const component of bill.components) {
      expect([nameOf(component), component.hashes[0]?.content]).toEqual([
        nameOf(component),
        expect.stringMatching(/^[0-9a-f]{128}$/),
      ]);
      expect([nameOf(component), component.licenses.length]).toEqual([nameOf(component), 1]);
    }
    const own = bill.metadata.component['bom-ref'];
    const refs = new Set([own, ...bill.components.map((component) => component['bom-ref'])]);
    expect(refs.size).toBe(bill.components.length + 1);
    expect(new Set(bill.dependencies.map(({ ref }) => ref))).toEqual(refs);
    const reached = new Set([own]);
    for (const ref of reached) {
      const found = bill.dependencies.find((dependency) => dependency.ref === ref);
      for (const next of found?.dependsOn ?? []) reached.add(next);
    }
    expect(reached).toEqual(refs);
  });

  test('is the same for the same parts, and another one for others', () => {
    const folders = bundled.map((text) => `node_modules/${text.split(' ')[0]}`);
    const again = billOfMaterials(folders) as Bill;
    expect(again.serialNumber).toBe((billOfMaterials(folders) as Bill).serialNumber);
    expect((billOfMaterials(folders.slice(1)) as Bill).serialNumber).not.toBe(again.serialNumber);
  });

  test('is not made of a package that is not locked', () => {
    expect(() => billOfMaterials(['node_modules/nobody-knows'])).toThrow('nobody-knows');
  });
});

test('the licenses of all packages in the bundles are there, with their texts', () => {
  const text = read('THIRD_PARTY_LICENSES.txt');
  const parts = text.split(`\n\n${'-'.repeat(80)}\n\n`).slice(1);
  expect(parts.map((part) => part.split(' (')[0])).toEqual(bundled);
  for (const part of parts) expect(part.split('\n').length, part).toBeGreaterThan(5);
});
