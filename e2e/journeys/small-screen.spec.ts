// On a screen of 360 px and by keyboard: back up a folder, delete it, take that back.
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { createAccount, entry, look, open, transferDone, watchConsole } from '../fixtures/app.ts';
import { Folder, noise } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';

test('a deleted folder comes back with undo, on a small screen and by keyboard', async ({ browser }) => {
  test.setTimeout(25 * 60_000);
  const stack = await Stack.start(3);
  const folder = await Folder.make();
  try {
    for (let n = 0; n < 12; n += 1) await folder.write(`papers/file-${n}.txt`, noise(900 * n, `file ${n}`));
    const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
    const page = await context.newPage();
    const complaints = watchConsole(page);
    await createAccount(page, await stack.setupLink(), 'alice@example.com');
    await open(page, 'Files');
    await page.getByTestId('pick-folder').setInputFiles(join(folder.path, 'papers'));
    await transferDone(page, /papers/);
    await look(page, 'files-360');
    await page.getByRole('button', { name: 'Delete papers' }).focus();
    await page.keyboard.press('Enter');
    await expect(entry(page, 'papers')).toHaveCount(0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect(entry(page, 'papers')).toBeVisible();
    await open(page, 'Overview');
    await expect(page.getByTestId('copies')).toContainText('All 12 files have 3 copies');
    await look(page, 'overview-360');
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, 'nothing wider than the screen').toBeLessThanOrEqual(360);
    await context.close();
    expect(complaints).toEqual([]);
  } finally {
    await stack.stop();
    await folder.remove();
  }
});
