// Two people: the operator invites, the other backs up until their quota is full, and deletes all the same. Their
// browsers reach the coordinator alone, which passes on what is the nodes'.
import { expect, type Page, test } from '@playwright/test';
import { createAccount, entry, look, open, transferDone, watchConsole } from '../fixtures/app.ts';
import { Folder } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';

const OPERATOR = 'alice@example.com';
const GUEST = 'bob@example.com';

/** The page as it is, and as it is on a phone. */
async function lookAtBoth(page: Page, name: string): Promise<void> {
  await look(page, name);
  await page.setViewportSize({ width: 360, height: 740 });
  const menu = page.getByRole('button', { name: 'Navigation' });
  const isOver = !(await page.getByRole('dialog').isVisible()) && (await menu.getAttribute('aria-expanded')) === 'true';
  if (isOver) await menu.click(); // it was beside the page
  await look(page, `${name}-360`);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width, `${name}: nothing wider than the screen`).toBeLessThanOrEqual(360);
  await page.setViewportSize({ width: 1280, height: 900 });
}

function user(page: Page, login: string) {
  return page.locator(`[data-test="user"][data-name="${login}"]`);
}

test('somebody is invited, fills their quota, and makes room', async ({ browser }) => {
  test.setTimeout(25 * 60_000);
  const stack = await Stack.start(3, [], { TRIPLICATE_RELAY: 'all' });
  const folder = await Folder.make();
  try {
    const hers = await (await browser.newContext()).newPage();
    const his = await (await browser.newContext()).newPage();
    const complaints = [watchConsole(hers), watchConsole(his)];
    const asked: URL[] = [];
    his.context().on('request', (request) => asked.push(new URL(request.url())));
    await createAccount(hers, await stack.setupLink(), OPERATOR);

    await his.goto(stack.origin);
    await expect(his.getByTestId('registration')).toContainText('need an invitation');
    await his.goto(`${stack.origin}/setup`);
    await expect(his.getByTestId('closed')).toContainText('need an invitation');

    await open(hers, 'Users');
    await expect(user(hers, OPERATOR)).toContainText('Operator');
    await expect(hers.getByTestId('no-invitations')).toBeVisible();
    await hers.getByRole('button', { name: 'Invite somebody' }).click();
    await hers.getByLabel('Quota in GB').fill('ten');
    await expect(hers.getByText('A number, like 50 or 0.5.')).toBeVisible();
    await hers.getByLabel('Quota in GB').fill('0.5');
    await lookAtBoth(hers, 'invite');
    await hers.getByRole('button', { name: 'Make the link' }).click();
    const link = await hers.getByTestId('link').inputValue();
    expect(link).toMatch(/\/invitation#[0-9a-f]{64}$/);
    await lookAtBoth(hers, 'invited');
    await hers.getByRole('button', { name: 'Done' }).click();
    await expect(hers.getByTestId('invitation')).toContainText('500 MB');
    await lookAtBoth(hers, 'users');

    await createAccount(his, link, GUEST);
    await expect(his.getByRole('link', { name: 'Users' })).toHaveCount(0);
    await open(his, 'Files');
    await his.getByTestId('pick-files').setInputFiles(await folder.writeNoise('first.bin', 3 << 20, 'first'));
    await transferDone(his, /first\.bin/);
    await open(his, 'Overview');
    await expect(his.getByTestId('quota')).toContainText(/3\.\d MB of 500 MB/);
    await lookAtBoth(his, 'overview-quota');

    await open(hers, 'Overview');
    await open(hers, 'Users');
    await expect(hers.getByTestId('no-invitations')).toBeVisible();
    await hers.getByRole('button', { name: `Quota of ${GUEST}` }).click();
    await hers.getByLabel('Quota in GB').fill('0.001');
    await expect(hers.getByTestId('below')).toContainText('nothing new is backed up');
    await hers.getByLabel('Quota in GB').press('Enter');
    await expect(user(hers, GUEST)).toContainText('of 1.0 MB, full');
    await lookAtBoth(hers, 'users-full');

    await open(his, 'Files');
    await his.getByTestId('pick-files').setInputFiles(await folder.writeNoise('second.bin', 2 << 20, 'second'));
    const refused = his.getByTestId('transfer').filter({ hasText: 'second.bin' });
    await expect(refused).toHaveAttribute('data-state', 'failed');
    await expect(refused).toContainText('Your account is full.');
    await expect(refused).toContainText('Delete something for good');
    await lookAtBoth(his, 'files-full');
    await his.getByRole('button', { name: 'Delete first.bin' }).click();
    await expect(entry(his, 'first.bin')).toHaveCount(0);
    await expect(his.getByText('Undo')).toBeVisible();
    await open(his, 'Overview');
    await expect(his.getByTestId('full')).toContainText('Your account is full');
    await lookAtBoth(his, 'overview-full');

    await open(hers, 'Audit log');
    const log = hers.getByTestId('audit-entry');
    await expect(log.filter({ hasText: `Set the quota of ${GUEST} to 1.0 MB` })).toContainText(OPERATOR);
    await expect(log.filter({ hasText: 'Used the invitation' })).toContainText(GUEST);
    await expect(log.filter({ hasText: 'Invited somebody, as a member' })).toContainText('127.0.0.1');
    await lookAtBoth(hers, 'audit-log');
    expect(asked.filter((url) => url.pathname.startsWith('/api/v1/relay/')).length).toBeGreaterThan(0);
    expect(new Set(asked.map((url) => url.origin))).toEqual(new Set([stack.origin]));
    expect(complaints.flat()).toEqual([]);
  } finally {
    await stack.stop();
    await folder.remove();
  }
});
