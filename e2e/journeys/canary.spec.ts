// No plaintext, file name, passphrase or key reaches the database, the nodes, the logs or the wire.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { createAccount, entry, open, restore, transferDone } from '../fixtures/app.ts';
import { Folder } from '../fixtures/files.ts';
import { Stack } from '../fixtures/stack.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The forms in which a secret could stand somewhere: as it is, as hex, and as base64 at any offset. */
function forms(secret: Buffer): Buffer[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), secret]).toString('base64').replace(/=+$/, '');
    // Characters that hold bits of the neighbours are left out.
    return text.slice(Math.ceil((offset * 8) / 6), text.length - 2);
  });
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = secret.toString('hex');
  return [secret, ...[hex, hex.toUpperCase(), ...base64, ...url].map((text) => Buffer.from(text))];
}

/** The 32 bytes of a recovery key. */
function recoveryBytes(groups: string[]): Buffer {
  let bits = 0n;
  for (const character of groups.join('').slice(0, 52)) bits = (bits << 5n) | BigInt(CROCKFORD.indexOf(character));
  return Buffer.from((bits >> 4n).toString(16).padStart(64, '0'), 'hex');
}

function filesBeneath(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

function capture(path: string): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const tcpdump = spawn('tcpdump', ['-i', 'lo', '-s', '0', '-U', '-w', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    tcpdump.stderr?.on('data', (chunk: Buffer) => chunk.toString().includes('listening on') && resolve(tcpdump));
    tcpdump.once('error', reject);
    tcpdump.once('exit', (code) => reject(new Error(`tcpdump ended with ${code}`)));
  });
}

test('no secret leaves the browser', async ({ browser }) => {
  test.setTimeout(25 * 60_000);
  const stack = await Stack.start(3);
  const folder = await Folder.make();
  let tcpdump: ChildProcess | undefined;
  try {
    const traffic = join(folder.path, 'traffic.pcap');
    tcpdump = await capture(traffic);
    const mark = randomBytes(8).toString('hex');
    const [smallText, bigText] = [`canary-small-${mark}`, `canary-big-${mark}`];
    const [folderName, fileName] = [`canary-folder-${mark}`, `canary-file-${mark}.txt`];
    await folder.write(`up/${folderName}/${fileName}`, smallText);
    await folder.write(`up/${folderName}/big.txt`, `${bigText}\n`.repeat(100_000));

    const context = await browser.newContext();
    const page = await context.newPage();
    const login = `canary-login-${mark}`;
    const keys = await createAccount(page, await stack.setupLink(), login);
    await open(page, 'Files');
    await page.getByTestId('pick-folder').setInputFiles(join(folder.path, 'up'));
    await transferDone(page, /up|2 files/);
    await page.getByRole('button', { name: 'up', exact: true }).click();
    await expect(entry(page, folderName)).toBeVisible();
    await page.getByRole('button', { name: folderName, exact: true }).click();
    await restore(page, 'big.txt', join(folder.path, 'back.txt'));
    expect(readFileSync(join(folder.path, 'back.txt'), 'utf8')).toContain(bigText);
    await context.close();
    await new Promise((resolve) => {
      tcpdump?.removeAllListeners('exit').once('exit', resolve).kill('SIGINT');
    });

    const secrets = new Map<string, Buffer>([
      ['a small file', Buffer.from(smallText)],
      ['a big file', Buffer.from(bigText)],
      ['a folder name', Buffer.from(folderName)],
      ['a file name', Buffer.from(fileName)],
      ['the passphrase', Buffer.from(keys.passphrase)],
      ['the recovery key as text', Buffer.from(keys.recoveryGroups.join('-'))],
      ['a group of the recovery key', Buffer.from(keys.recoveryGroups[2])],
      ['the recovery key', recoveryBytes(keys.recoveryGroups)],
    ]);
    const dump = await folder.write('dump.sql', stack.dump());
    const places = [traffic, dump, ...filesBeneath(stack.data)];
    const leaks: string[] = [];
    let loginSeen = 0;
    for (const place of places) {
      const content = readFileSync(place);
      // The login is no secret: seeing it shows that the search looks in the right places.
      if (content.includes(login)) loginSeen += 1;
      for (const [what, secret] of secrets) {
        if (forms(secret).some((form) => content.includes(form))) leaks.push(`${what} in ${place}`);
      }
    }
    expect(leaks).toEqual([]);
    expect(loginSeen, 'the login stands in traffic, dump and database').toBeGreaterThanOrEqual(3);
    expect(places.filter((place) => place.includes('/packs/')).length).toBeGreaterThanOrEqual(3);
    expect(statSync(traffic).size).toBeGreaterThan(100_000);
  } finally {
    tcpdump?.kill('SIGINT');
    await stack.stop();
    await folder.remove();
  }
});
