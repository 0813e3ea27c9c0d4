// A computer backs a folder up by itself: added by a link, its folder chosen in the web app, its history restored.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Download, expect, type Page, test } from '@playwright/test';
import { unzipSync } from 'fflate';
import { Agent } from '../fixtures/agent.ts';
import { createAccount, entry, look, open, proveAgain, signIn, watchConsole } from '../fixtures/app.ts';
import { Folder, noise } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';

const KEPT: [string, Buffer][] = [
  ['letters/one.txt', Buffer.from('the first letter\n')],
  ['letters/two.bin', noise(300_000, 'two')],
  ['report.txt', noise(40_000, 'report')],
];

/** More than half of the folder's files, and more than a hundred: so many do not vanish without a question. */
const MANY = 120;

test('a device backs its folder up, and the folder comes back as it was', async ({ browser }) => {
  test.setTimeout(25 * 60_000);
  const [stack, agent, watched] = [await Stack.start(3), await Agent.make(), await Folder.make()];
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    const complaints = watchConsole(page);
    const keys = await createAccount(page, await stack.setupLink(), 'alice@example.com');
    await addDevice(page, agent);
    await addFolder(page, watched);

    await open(page, 'Files');
    await page.getByLabel('Source').selectOption({ label: 'Papers on laptop' });
    for (const [name, content] of KEPT) await watched.write(name, content);
    await expect(entry(page, 'letters')).toBeVisible({ timeout: 120_000 });
    await expect(entry(page, 'report.txt')).toBeVisible({ timeout: 120_000 });
    await expect(entry(page, 'letters')).toContainText('2 files', { timeout: 120_000 });
    await look(page, 'files-watched');
    await rm(join(watched.path, 'report.txt'));
    await expect(entry(page, 'report.txt')).toHaveCount(0, { timeout: 120_000 });

    await compareAndRestore(page, watched);
    await pauseAndResume(page, watched);
    await answer(page, watched);
    await lookSmallAndDark(page);
    await agent.stop();
    await open(page, 'Folders');
    await expect(page.getByTestId('folder')).toHaveAttribute('data-state', 'Device offline', { timeout: 60_000 });
    await expect(page.getByTestId('folder')).toContainText('when it is back');
    await look(page, 'folders-offline');
    await removeFolder(page);
    await revoke(page, stack, keys.passphrase);
    stack.spoilNewestVault();
    await signIn(page, stack.origin, keys.login, keys.passphrase);
    await expect(page.getByTestId('unopened-vaults')).toContainText('Files that are still on the device are safe');
    await look(page, 'unopened-vault');
    await context.close();
    expect(complaints).toEqual([]);
  } finally {
    await agent.remove();
    await stack.stop();
    await watched.remove();
  }
});

async function addDevice(page: Page, agent: Agent): Promise<void> {
  await open(page, 'Folders');
  await expect(page.getByTestId('empty')).toContainText('Add a device first');
  await look(page, 'folders-empty');
  await open(page, 'Devices');
  await look(page, 'devices-empty');
  await page.getByRole('button', { name: 'Add a device' }).click();
  await expect(page.getByLabel('Backs up its own folders')).toBeChecked();
  await look(page, 'device-role');
  await page.getByRole('button', { name: 'Make the link' }).click();
  const link = await page.getByTestId('link').inputValue();
  await expect(page.getByTestId('countdown')).toContainText(/good for (10:00|9:\d\d)/);
  await look(page, 'device-link');
  const enrolled = agent.enroll(link);
  await expect(page.getByTestId('guest')).toBeVisible();
  await page.getByLabel('Call it').fill('laptop');
  await look(page, 'device-guest');
  await page.getByRole('button', { name: 'Add it' }).click();
  await expect(page.getByTestId('added')).toContainText('laptop is added');
  await enrolled;
  agent.run();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByTestId('device')).toHaveAttribute('data-online', 'true');
  await look(page, 'devices');
}

async function addFolder(page: Page, watched: Folder): Promise<void> {
  await open(page, 'Folders');
  await page.getByRole('button', { name: 'Add a folder' }).click();
  await page.getByLabel('Path on the device').fill('Documents');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByText('Write the whole path')).toBeVisible();
  await page.getByLabel('Path on the device').fill(watched.path);
  await page.getByLabel('Name').fill('Papers');
  await look(page, 'folder-add');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const card = page.getByTestId('folder');
  await expect(card).toHaveAttribute('data-state', 'Up to date', { timeout: 60_000 });
  await watched.write('cache/large.tmp', noise(50_000, 'cache'));
  await page.getByRole('button', { name: 'Edit: Papers' }).click();
  await page.getByLabel('Leave out what matches').fill('cache/');
  await page.getByRole('button', { name: 'Show what this leaves out' }).click();
  await expect(page.getByTestId('left-out')).toContainText('cache');
  await look(page, 'folder-preview');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(card).toContainText('1 rule');
  await look(page, 'folders');
}

async function compareAndRestore(page: Page, watched: Folder): Promise<void> {
  await open(page, 'Snapshots');
  const snapshots = page.getByTestId('snapshot');
  await expect(snapshots.first()).toContainText('laptop');
  await snapshots.nth(0).getByRole('checkbox').check();
  await snapshots.nth(1).getByRole('checkbox').check();
  await look(page, 'snapshots');
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  const deleted = page.locator('[data-test="difference"][data-path="/report.txt"]');
  await expect(deleted).toHaveAttribute('data-kind', 'Deleted');
  await expect(page.getByTestId('sums')).toContainText('1 file deleted, 40 kB');
  await look(page, 'snapshots-compared');
  await page.goBack();

  await snapshots.nth(1).getByRole('button', { name: /^Open/ }).click();
  await expect(entry(page, 'report.txt')).toBeVisible();
  await look(page, 'snapshots-moment');
  const begun = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Restore everything as zip' }).click();
  const download: Download = await begun;
  expect(download.suggestedFilename()).toBe('Papers.zip');
  expect(await download.failure()).toBeNull();
  const saved = join(watched.path, '..', `${Date.now()}-papers.zip`);
  await download.saveAs(saved);
  const unzipped = unzipSync(await readFile(saved));
  await rm(saved);
  for (const [name, content] of KEPT) expect(Buffer.compare(Buffer.from(unzipped[name]), content), name).toBe(0);
}

async function pauseAndResume(page: Page, watched: Folder): Promise<void> {
  await open(page, 'Folders');
  const card = page.getByTestId('folder');
  await page.getByRole('button', { name: 'Pause: Papers' }).click();
  await expect(card).toHaveAttribute('data-state', 'Paused', { timeout: 60_000 });
  for (let number = 0; number < MANY; number += 1) await watched.write(`many/${number}`, Buffer.from('x'));
  await expect(card).toContainText(/Holds\s*2 files/); // what is paused is not backed up
  await page.getByRole('button', { name: 'Resume: Papers' }).click();
  await expect(card).toContainText(`${MANY + 2} files`, { timeout: 60_000 });
  await expect(card).toHaveAttribute('data-state', 'Up to date', { timeout: 60_000 });
  await expect(card.locator('dt:text-is("Proven") + dd')).not.toHaveText('not yet', { timeout: 60_000 });
}

/** So much vanishes at once that the folder waits for an answer from the browser. */
async function answer(page: Page, watched: Folder): Promise<void> {
  const card = page.getByTestId('folder');
  await rm(join(watched.path, 'many'), { recursive: true });
  await page.getByRole('button', { name: 'Sync now: Papers' }).click();
  await expect(card).toHaveAttribute('data-state', 'Needs your answer', { timeout: 60_000 });
  await expect(card).toContainText(`${MANY} of ${MANY + 2} files are gone`);
  await look(page, 'folder-held');
  await lookSmall(page, 'folder-held');
  await page.getByRole('button', { name: 'Answer: Papers' }).click();
  const dialog = page.getByTestId('dialog');
  await expect(dialog).toContainText(`The next backup of “Papers” records ${MANY} files as deleted`);
  await look(page, 'folder-answer');
  await lookSmall(page, 'folder-answer');
  await dialog.getByRole('button', { name: `Yes, record ${MANY} files as deleted` }).click();
  await expect(dialog).toHaveCount(0);
  await expect(card).toHaveAttribute('data-state', 'Up to date', { timeout: 60_000 });
  await expect(card).toContainText(/Holds\s*2 files/, { timeout: 60_000 });
}

async function removeFolder(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Remove: Papers' }).click();
  await expect(page.getByTestId('dialog')).toContainText('All its snapshots stay');
  await look(page, 'folder-remove');
  await page.getByRole('button', { name: 'Stop backing it up' }).click();
  await expect(page.getByTestId('folder')).toHaveCount(0);
}

/** The same on a phone, light and dark. */
async function lookSmall(page: Page, name: string): Promise<void> {
  const usual = page.viewportSize() ?? { width: 1280, height: 900 };
  const menu = page.getByRole('button', { name: 'Navigation' });
  if ((await page.getByTestId('dialog').count()) === 0 && (await menu.getAttribute('aria-expanded')) === 'true') {
    await menu.click();
  }
  await page.setViewportSize({ width: 360, height: 740 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await look(page, `${name}-360-${colorScheme}`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, `${name}: nothing wider than the screen`).toBeLessThanOrEqual(360);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(usual);
}

async function lookSmallAndDark(page: Page): Promise<void> {
  const usual = page.viewportSize() ?? { width: 1280, height: 900 };
  await page.setViewportSize({ width: 360, height: 740 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const name of ['Overview', 'Files', 'Snapshots', 'Folders', 'Devices'] as const) {
      await open(page, name);
      await expect(page.getByRole('progressbar', { name: 'Loading' })).toHaveCount(0);
      await look(page, `${name.toLowerCase()}-360-${colorScheme}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, `${name}: nothing wider than the screen`).toBeLessThanOrEqual(360);
    }
  }
  await page.getByRole('button', { name: 'Add a device' }).click();
  await look(page, 'device-role-360');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('dialog')).toHaveCount(0);
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(usual);
}

async function revoke(page: Page, stack: Stack, passphrase: string): Promise<void> {
  await open(page, 'Devices');
  await page.getByRole('button', { name: 'Revoke laptop' }).click();
  await expect(page.getByTestId('dialog')).toContainText('Everything that it backed up stays');
  await look(page, 'device-revoke');
  stack.leaveSessionsOpen();
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await proveAgain(page, passphrase);
  await expect(page.getByTestId('revoked')).toContainText('Revoked (1)');
  await open(page, 'Files');
  await page.getByLabel('Source').selectOption({ label: 'Papers on laptop (no longer backed up)' });
  await expect(entry(page, 'letters')).toBeVisible();
}
