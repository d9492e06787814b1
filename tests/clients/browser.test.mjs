// The page of services/web/book in real Chromium: two people, two browsers, one conversation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeAccount, until } from './cluster.mjs';
import { chatLine, presenceLine, startBrowser, Visitor } from './page.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

async function twoAccounts() {
  return Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
}

test('two pages chat both ways and see presence and status', async () => {
  const [romeo, juliet] = await twoAccounts();
  const a = await Visitor.come(browser, 0);
  const b = await Visitor.come(browser, 1, { colorScheme: 'dark' });
  await a.shot('before');
  await Promise.all([a.logIn(romeo), b.logIn(juliet)]);

  await a.send(juliet.jid, 'But, soft! what light through yonder window breaks?');
  await b.sees(chatLine(romeo.jid, 'But, soft! what light through yonder window breaks?'));
  await b.send(romeo.jid, 'Ay me!');
  await a.sees(chatLine(juliet.jid, 'Ay me!'));

  // Both wrote to each other, so each may see the other's presence by now.
  await a.sees(presenceLine(juliet.jid, 'chat'));
  await b.sees(presenceLine(romeo.jid, 'chat'));
  await a.say('under the balcony');
  await b.sees(presenceLine(romeo.jid, 'under the balcony chat'));
  await b.show('Busy');
  await a.sees(presenceLine(juliet.jid, 'dnd'));
  await a.show('Gone');
  await b.sees(presenceLine(romeo.jid, 'under the balcony xa'));
  await b.show('Away');
  await a.sees(presenceLine(juliet.jid, 'away'));
  await a.shot('chat');
  await b.shot('chat-dark');

  await b.page.click('#connectButton');
  await b.sees('disconnected');
  await a.sees(presenceLine(juliet.jid, 'unavailable'));
  assert.deepEqual([...a.errors, ...b.errors], []);
});

test('a browser that is closed is seen to go', async () => {
  const [romeo, juliet] = await twoAccounts();
  const a = await Visitor.come(browser, 2);
  const b = await Visitor.come(browser, 0);
  await Promise.all([a.logIn(romeo), b.logIn(juliet)]);
  await a.send(juliet.jid, 'one');
  await b.sees(chatLine(romeo.jid, 'one'));
  await b.send(romeo.jid, 'two');
  await a.sees(presenceLine(juliet.jid, 'chat'));
  await b.page.close();
  await a.sees(presenceLine(juliet.jid, 'unavailable'));
});

test('what a stranger sends is shown as text and never becomes markup', async () => {
  const [romeo, juliet] = await twoAccounts();
  const a = await Visitor.come(browser, 1);
  const b = await Visitor.come(browser, 2);
  await Promise.all([a.logIn(romeo), b.logIn(juliet)]);
  const attack = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script> & more';
  await a.send(juliet.jid, attack);
  await b.sees(chatLine(romeo.jid, attack));
  await a.say(attack);
  await b.sees(/asks to see your presence/);
  await b.shot('asked');
  await b.page.getByRole('button', { name: 'Accept' }).click();
  await b.sees(presenceLine(romeo.jid, `${attack} chat`));
  assert.equal(await b.page.locator('#output img, #output script').count(), 0);
  assert.equal(await b.page.title(), 'Jackdaw chat');
  assert.deepEqual([...a.errors, ...b.errors], []);
});

test('a wrong password is said, and the next try works', async () => {
  const romeo = await makeAccount('romeo');
  const a = await Visitor.come(browser, 2);
  await a.enter(romeo.jid, 'not it');
  await a.sees(/^not logged in/);
  assert.ok(await a.page.locator('#sendButton').isDisabled());
  await a.logIn(romeo);
  await a.send(`nobody-${Date.now()}@${romeo.jid.split('@')[1]}`, 'Anyone?');
  await a.sees(/could not be reached: service-unavailable$/);
});

test('the page has names for all its controls and fits a telephone', async () => {
  const a = await Visitor.come(browser, 0, { viewport: { width: 390, height: 844 } });
  const nameless = await a.page.evaluate(() => Array.from(document.querySelectorAll('input, select, button'))
    .filter((control) => !control.labels?.length && !control.textContent.trim()).map((control) => control.outerHTML));
  assert.deepEqual(nameless, []);
  assert.ok(await a.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  await a.shot('narrow');
});

test('the front page leads to the chat page', async () => {
  const a = await Visitor.come(browser, 0);
  await a.page.goto(`${a.address}/`);
  await a.shot('front');
  await a.page.getByRole('link', { name: 'Open the chat page' }).click();
  await until('the chat page', async () => (await a.page.title()) === 'Jackdaw chat');
  assert.deepEqual(a.errors, []);
});
