// The page of services/web/book in real Chromium: two people, two browsers, one conversation.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { makeAccount, page as pageOf, until } from './cluster.mjs';

const shots = process.env.CLUSTER_SHOTS ?? '';
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CLUSTER_CHROMIUM ?? '/usr/bin/chromium', args: flags });
});
after(() => browser?.close());

/** A fresh profile with the page open from the n-th edge; complaints of the page end in `errors`. */
async function visit(n, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`${pageOf(n)}/book/`);
  return { page, errors, lines: () => page.locator('#output p').allTextContents() };
}

async function logIn(visitor, account) {
  await visitor.page.fill('#username', account.jid);
  await visitor.page.fill('#password', account.password);
  await visitor.page.click('#connectButton');
  await says(visitor, 'connected');
}

async function says(visitor, line, ms) {
  const isIt = (text) => (line instanceof RegExp ? line.test(text) : text === line);
  return until(`the line ${line}`, async () => (await visitor.lines()).find(isIt), ms)
    .catch(async (error) => {
      throw new Error(`${error.message}; the page says:\n${(await visitor.lines()).join('\n')}`);
    });
}

async function send(visitor, to, body) {
  await visitor.page.getByPlaceholder('user@server').fill(to);
  await visitor.page.getByPlaceholder('chat body').fill(body);
  await visitor.page.getByRole('button', { name: 'Send' }).click();
}

async function shot(visitor, name) {
  if (shots) {
    mkdirSync(shots, { recursive: true });
    await visitor.page.screenshot({ path: join(shots, `${name}.png`) });
  }
}

const begins = (jid) => `^${jid.replace(/[.+]/g, '\\$&')}(/[^:]*)?: `;

test('two pages chat both ways and see presence and status', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await visit(0);
  const b = await visit(1, { colorScheme: 'dark' });
  await shot(a, 'before');
  await Promise.all([logIn(a, romeo), logIn(b, juliet)]);

  await send(a, juliet.jid, 'But, soft! what light through yonder window breaks?');
  await says(b, new RegExp(`${begins(romeo.jid)}But, soft! what light through yonder window breaks\\?$`));
  await send(b, romeo.jid, 'Ay me!');
  await says(a, new RegExp(`${begins(juliet.jid)}Ay me!$`));

  // Both wrote to each other, so each may see the other's presence by now.
  const seen = (jid, rest) => new RegExp(`^\\[presence\\] ${jid.replace(/[.+]/g, '\\$&')}/[^:]*: ${rest}$`);
  await says(a, seen(juliet.jid, 'chat'));
  await says(b, seen(romeo.jid, 'chat'));

  await a.page.locator('#presenceArea input').fill('under the balcony');
  await a.page.getByRole('button', { name: 'Set status' }).click();
  await says(b, seen(romeo.jid, 'under the balcony chat'));
  await b.page.locator('#presenceArea select').selectOption({ label: 'Busy' });
  await says(a, seen(juliet.jid, 'dnd'));
  await a.page.locator('#presenceArea select').selectOption('xa');
  await says(b, seen(romeo.jid, 'under the balcony xa'));
  await send(a, juliet.jid, 'I take thee at thy word ☾');
  await says(b, new RegExp(`${begins(romeo.jid)}I take thee at thy word ☾$`));
  await shot(a, 'chat');
  await shot(b, 'chat-dark');

  await b.page.click('#connectButton');
  await says(b, 'disconnected');
  await says(a, seen(juliet.jid, 'unavailable'));
  await b.page.close();
  await a.page.reload();
  assert.deepEqual([...a.errors, ...b.errors], []);
});

test('what a stranger sends is shown as text and never becomes markup', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await visit(1);
  const b = await visit(2);
  await Promise.all([logIn(a, romeo), logIn(b, juliet)]);
  const attack = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script> & more';
  await send(a, juliet.jid, attack);
  const line = await says(b, new RegExp(begins(romeo.jid)));
  assert.ok(line.endsWith(attack));
  assert.equal(await b.page.locator('#output img, #output script').count(), 0);
  assert.equal(await b.page.title(), 'Jackdaw chat');
  await a.page.locator('#status').fill(attack);
  await a.page.click('#statusButton');
  await says(b, /asks to see your presence/);
  await b.page.getByRole('button', { name: 'Accept' }).click();
  await says(b, new RegExp(`^\\[presence\\] ${romeo.jid}/`));
  assert.equal(await b.page.locator('#output img, #output script').count(), 0);
  assert.deepEqual([...a.errors, ...b.errors], []);
});

test('a wrong password is said, and the next try works', async () => {
  const romeo = await makeAccount('romeo');
  const a = await visit(2);
  await a.page.fill('#username', romeo.jid);
  await a.page.fill('#password', 'not it');
  await a.page.click('#connectButton');
  await says(a, /^not logged in/);
  assert.ok(await a.page.locator('#sendButton').isDisabled());
  await logIn(a, romeo);
  await send(a, `nobody-${Date.now()}@${romeo.jid.split('@')[1]}`, 'Anyone?');
  await says(a, /could not be reached: service-unavailable$/);
});

test('the page has names for all its controls and fits a telephone', async () => {
  const a = await visit(0, { viewport: { width: 390, height: 844 } });
  const nameless = await a.page.evaluate(() => Array.from(document.querySelectorAll('input, select, button'))
    .filter((control) => !control.labels?.length && !control.textContent.trim()).map((control) => control.outerHTML));
  assert.deepEqual(nameless, []);
  assert.ok(await a.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  await shot(a, 'narrow');
});

test('the front page leads to the chat page', async () => {
  const a = await visit(0);
  await a.page.goto(`${pageOf(0)}/`);
  await a.page.getByRole('link', { name: 'Open the chat page' }).click();
  await until('the chat page', async () => (await a.page.title()) === 'Jackdaw chat');
  assert.deepEqual(a.errors, []);
});
