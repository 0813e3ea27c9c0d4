// Nodes on disks, in an S3 bucket and in a Dropbox, all over TLS: the disks are lost, and the clouds alone give
// everything back.
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { createAccount, entry, look, open, restore, signIn, transferDone, watchConsole } from '../fixtures/app.ts';
import { Folder, noise, sha256 } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';
import { browserThatTrusts, protocols } from '../fixtures/trust.ts';

test('what was backed up over TLS to disks and clouds comes back from the clouds alone', async ({}, testInfo) => {
  test.setTimeout(25 * 60_000);
  const stack = await Stack.start(4, ['--tls', '--cloud', 's3=1,dropbox=1']);
  const folder = await Folder.make();
  const trusting = await browserThatTrusts(join(stack.data, 'tls/ca.pem'), testInfo.project.use.launchOptions ?? {});
  try {
    const context = await trusting.browser.newContext(testInfo.project.use);
    const page = await context.newPage();
    const complaints = watchConsole(page);
    const { passphrase } = await createAccount(page, await stack.setupLink(), 'alice@example.com');
    expect(await protocols(page)).toEqual(['https:', 'h2']);

    await open(page, 'Files');
    const big = await folder.writeNoise('big.bin', 20 * 1024 * 1024, 'big');
    await page.getByTestId('pick-files').setInputFiles(big);
    await transferDone(page, /big\.bin/);
    for (let n = 0; n < 20; n += 1) await folder.write(`papers/${n}.txt`, noise(3000 * n, `paper ${n}`));
    await page.getByTestId('pick-folder').setInputFiles(join(folder.path, 'papers'));
    await transferDone(page, /papers|20 files/);
    await open(page, 'Overview');
    await expect(page.getByTestId('copies')).toContainText('All 21 files have 3 copies');
    await open(page, 'Nodes');
    await expect(page.getByTestId('node').filter({ hasText: /S3/ })).toHaveCount(1);
    await expect(page.getByTestId('node').filter({ hasText: /Dropbox/ })).toHaveCount(1);
    await look(page, 'nodes-clouds');
    await context.close();

    for (const disk of [1, 2]) await stack.killNode(disk);
    const fresh = await trusting.browser.newContext(testInfo.project.use);
    const again = await fresh.newPage();
    complaints.push(...watchConsole(again));
    await signIn(again, stack.origin, 'alice@example.com', passphrase);
    await open(again, 'Files');
    await expect(entry(again, 'papers')).toBeVisible();
    const back = join(folder.path, 'back.bin');
    await restore(again, 'big.bin', back);
    expect(await sha256(back)).toBe(await sha256(big));
    await again.getByRole('button', { name: 'papers', exact: true }).click();
    await restore(again, '19.txt', back);
    expect(await sha256(back)).toBe(await sha256(join(folder.path, 'papers/19.txt')));
    await fresh.close();
    expect(complaints).toEqual([]);
  } finally {
    await trusting.close();
    await stack.stop();
    await folder.remove();
  }
});
