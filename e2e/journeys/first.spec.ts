// The first journey, over TLS with HTTP/2: a folder goes through the browser to three nodes, and comes back.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { unzipSync } from 'fflate';
import { createAccount, entry, look, open, restore, signIn, transferDone, watchConsole } from '../fixtures/app.ts';
import { Folder, noise, sha256 } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';
import { browserThatTrusts, protocols } from '../fixtures/trust.ts';

const LOGIN = 'alice@example.com';
const BIG_BYTES = 100 * 1024 * 1024;

let stack: Stack;
let folder: Folder;
let restored: Folder;
let trusting: Awaited<ReturnType<typeof browserThatTrusts>>;

test.beforeAll(async ({}, testInfo) => {
  test.setTimeout(25 * 60_000);
  stack = await Stack.start(4, ['--tls']);
  trusting = await browserThatTrusts(join(stack.data, 'tls/ca.pem'), testInfo.project.use.launchOptions ?? {});
  folder = await Folder.make();
  restored = await Folder.make();
});

test.afterAll(async () => {
  await trusting?.close();
  await stack?.stop();
  await folder?.remove();
  await restored?.remove();
});

test('a folder goes through the browser to three nodes, and comes back', async ({}, testInfo) => {
  test.setTimeout(15 * 60_000);
  const [browser, options] = [trusting.browser, testInfo.project.use];
  const files = new Map<string, Buffer>();
  for (let n = 0; n < 50; n += 1) {
    const name = `sub ${n % 5}/file-${n}.${['txt', 'jpg', 'mp4', 'pdf', 'bin'][n % 5]}`;
    files.set(name, noise(n === 0 ? 0 : 97 * n * n + n, `file ${n}`));
  }
  for (const [name, content] of files) await folder.write(`papers/${name}`, content);
  const big = await folder.writeNoise('big.bin', BIG_BYTES, 'big');

  const first = await browser.newContext(options);
  const page = await first.newPage();
  const complaints = watchConsole(page);
  const keys = await createAccount(page, await stack.setupLink(), LOGIN);
  expect(await protocols(page)).toEqual(['https:', 'h2']);

  await open(page, 'Overview');
  await look(page, 'overview-empty');
  await open(page, 'Files');
  await look(page, 'files-empty');
  await page.getByTestId('pick-folder').setInputFiles(join(folder.path, 'papers'));
  await transferDone(page, /papers|50 files/);
  await page.getByTestId('pick-files').setInputFiles(big);
  await transferDone(page, /big\.bin/);
  await expect(entry(page, 'papers')).toBeVisible();
  await expect(entry(page, 'big.bin')).toBeVisible();
  await look(page, 'files');

  await page.getByRole('button', { name: 'papers', exact: true }).click();
  await expect(entry(page, 'sub 3')).toBeVisible();
  await look(page, 'folder');

  await open(page, 'Overview');
  await expect(page.getByTestId('copies')).toContainText('All 51 files have 3 copies');
  await expect(page.locator('[data-test="total"]')).toContainText('51');
  await look(page, 'overview');
  await open(page, 'Nodes');
  await expect(page.getByTestId('node')).toHaveCount(4);
  await look(page, 'nodes');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Unlock' }).or(page.getByRole('heading', { name: 'Sign in' }))).toBeVisible();
  await first.close();

  const fresh = await browser.newContext(options);
  const again = await fresh.newPage();
  complaints.push(...watchConsole(again));
  await signIn(again, stack.origin, LOGIN, 'quite another passphrase');
  await expect(again.getByTestId('failure')).toContainText('wrong');
  await look(again, 'sign-in-wrong');
  await again.getByLabel('Passphrase', { exact: true }).fill(keys.passphrase);
  await again.getByRole('button', { name: 'Sign in' }).click();
  await expect(again.getByTestId('account')).toContainText(LOGIN);

  await stack.killNode(2);
  await open(again, 'Files');
  const bigBack = join(restored.path, 'big.bin');
  await restore(again, 'big.bin', bigBack);
  expect(await sha256(bigBack)).toBe(await sha256(big));
  const zipBack = join(restored.path, 'papers.zip');
  await restore(again, 'papers', zipBack);
  const unzipped = unzipSync(await readFile(zipBack));
  for (const [name, content] of files) {
    expect(Buffer.compare(Buffer.from(unzipped[`papers/${name}`]), content), name).toBe(0);
  }
  await open(again, 'Nodes');
  await expect(again.getByTestId('node').filter({ hasText: 'zone-2' })).toContainText(/silent|down|Silent|Down/, { timeout: 90_000 });
  await look(again, 'nodes-one-down');
  await fresh.close();
  expect(complaints).toEqual([]);
});
