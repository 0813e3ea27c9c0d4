// What is kept: old snapshots are forgotten, a policy is chosen, a node is emptied and used again, and a file is
// deleted for good. What cannot be taken back asks for the passphrase again. In the end a node is removed that alone
// has what it has.
import { expect, test } from '@playwright/test';
import { createAccount, entry, look, open, proveAgain, transferDone, watchConsole } from '../fixtures/app.ts';
import { Folder, noise } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';

test('snapshots are forgotten and thinned out, a node is emptied, and a file is deleted for good', async ({ browser }) => {
  test.setTimeout(25 * 60_000);
  const stack = await Stack.start(4);
  const folder = await Folder.make();
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    const complaints = watchConsole(page);
    const { passphrase } = await createAccount(page, await stack.setupLink(), 'alice@example.com');
    await open(page, 'Files');
    for (const name of ['first.bin', 'second.bin', 'third.bin']) {
      await folder.write(name, noise(200_000, name));
      await page.getByTestId('pick-files').setInputFiles(`${folder.path}/${name}`);
      await transferDone(page, new RegExp(name.replace('.', '\\.')));
    }

    await open(page, 'Snapshots');
    await expect(page.getByTestId('snapshot')).toHaveCount(3);
    await look(page, 'snapshots-uploads');
    // The newest is always kept.
    const forget = page.getByRole('button', { name: /^Forget the one of/ });
    await expect(forget).toHaveCount(2);
    await forget.last().click();
    await look(page, 'snapshot-forget');
    stack.leaveSessionsOpen();
    await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click();
    await expect(page.getByTestId('step-up')).toBeVisible();
    await look(page, 'step-up');
    await proveAgain(page, 'another passphrase');
    await expect(page.getByText('The login or the passphrase is wrong.')).toBeVisible();
    await proveAgain(page, passphrase);
    // What was asked for goes on by itself.
    await expect(page.getByTestId('snapshot')).toHaveCount(2);

    await page.getByRole('button', { name: /how long|keep/i }).click();
    await expect(page.getByTestId('effect')).not.toBeEmpty();
    await page.getByLabel('One a day, for days').fill('30');
    await expect(page.getByTestId('effect')).not.toBeEmpty();
    await look(page, 'retention');
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await page.getByRole('button', { name: /how long|keep/i }).click();
    await expect(page.getByLabel('One a day, for days')).toHaveValue('30');
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();

    await open(page, 'Nodes');
    const node = page.getByTestId('node').first();
    await node.getByRole('button', { name: /^Empty/ }).click();
    await look(page, 'node-empty');
    await page.getByRole('dialog').getByRole('button', { name: 'Empty' }).click();
    await expect(node).toContainText('Drained', { timeout: 60_000 });
    await look(page, 'nodes-drained');
    await node.getByRole('button', { name: /^Use again/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Use again' }).click();
    await expect(node).toContainText('Up');
    await open(page, 'Overview');
    await expect(page.getByTestId('copies')).toContainText('All 3 files have 3 copies');

    await open(page, 'Files');
    stack.leaveSessionsOpen();
    await page.getByRole('button', { name: 'Delete for good: third.bin' }).click();
    await expect(page.getByTestId('purge')).toContainText('The content of 1 file, in all versions: 200 kB.');
    await look(page, 'delete-for-good');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
    await proveAgain(page, passphrase);
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await expect(entry(page, 'third.bin')).toHaveCount(0);
    await expect(entry(page, 'first.bin')).toHaveCount(1);
    await open(page, 'Overview');
    await expect(page.getByTestId('copies')).toContainText('All 2 files have 3 copies');

    await page.setViewportSize({ width: 360, height: 740 });
    for (const name of ['Files', 'Snapshots', 'Nodes'] as const) {
      await open(page, name);
      await look(page, `keeping-${name.toLowerCase()}-360`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, `${name}: nothing wider than the screen`).toBeLessThanOrEqual(360);
    }

    // Three of four nodes do not answer: what the fourth has, nobody else gives.
    await page.setViewportSize({ width: 1280, height: 720 });
    for (const number of [1, 2, 3]) await stack.killNode(number);
    await expect(page.getByTestId('node').filter({ hasText: 'Down' })).toHaveCount(3, { timeout: 180_000 });
    await page.getByTestId('node').filter({ hasText: 'Up' }).getByRole('button', { name: /^Remove/ }).click();
    const dialog = page.getByRole('dialog');
    await expect(page.getByTestId('goes')).toContainText('would be lost for ever');
    const remove = dialog.getByRole('button', { name: 'Lose and remove' });
    await expect(remove).toBeDisabled();
    await look(page, 'node-lose');
    const label = await dialog.locator('label[for="remove-name"]').innerText();
    await dialog.getByLabel(/^Type/).fill(/^Type (\S+) to lose them/.exec(label)?.[1] ?? '');
    await remove.click();
    await expect(dialog).toHaveCount(0);
    await expect(page.getByTestId('node')).toHaveCount(3);
    await open(page, 'Overview');
    await look(page, 'overview-lost');
    await context.close();
    expect(complaints).toEqual([]);
  } finally {
    await stack.stop();
    await folder.remove();
  }
});
