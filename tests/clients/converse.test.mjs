// converse.js in real Chromium and xmpp.js over TCP: a person types into the one, the other answers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { after, before, test } from 'node:test';
import './globals.mjs';
import { client, xml } from './xmpp.mjs';
import { domain, edge, makeAccount, patience, plain, starttls, until } from './cluster.mjs';
import { startBrowser } from './page.mjs';

const dist = new URL('vendor/converse.js/dist/', import.meta.url);
const types = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' };

let browser;
let origin; // on localhost: a secure context, without which browsers have no SCRAM
const open = [];
const server = createServer(({ url }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  if (pathname === '/') {
    response.setHeader('Content-Type', 'text/html').end(pageText(searchParams.get('ws')));
    return;
  }
  readFile(new URL(`.${pathname}`, dist)).then(
    (body) => response.setHeader('Content-Type', types[extname(pathname)] ?? 'application/octet-stream').end(body),
    () => response.writeHead(404).end());
});

before(async () => {
  browser = await startBrowser();
  server.listen(0, 'localhost');
  await once(server, 'listening');
  origin = `http://localhost:${server.address().port}`;
});
after(async () => {
  await Promise.all(open.map((xmpp) => xmpp.stop().catch(() => {})));
  await browser?.close();
  server.close();
});

const pageText = (address) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>converse.js</title>
<link rel="stylesheet" href="/converse.min.css">
<body class="converse-fullscreen"><converse-root></converse-root><script type="module">
import '/converse.min.js';
converse.initialize({ view_mode: 'fullscreen', authentication: 'login', websocket_url: '${address}',
  assets_path: '/', allow_registration: false, auto_reconnect: false, discover_connection_methods: false,
  loglevel: 'fatal', i18n: 'en', auto_away: 0,
  blacklisted_plugins: ['converse-omemo'] });
</script></body></html>`;

/** What a person does and sees in converse.js. */
class Converse {
  static async come(address) {
    const one = new Converse();
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    one.page = await context.newPage();
    one.page.setDefaultTimeout(patience);
    one.errors = [];
    one.page.on('pageerror', (error) => one.errors.push(String(error)));
    await one.page.route((url) => url.hostname !== 'localhost', (route) => route.abort()); // its sponsors' logos
    await one.page.goto(`${origin}/?ws=${encodeURIComponent(address)}`);
    return one;
  }

  async enter({ jid }, password) {
    await this.page.fill('input[name="jid"]', jid);
    await this.page.fill('input[name="password"]', password);
    await this.page.click('#converse-login [type="submit"]');
  }

  async logIn(account) {
    await this.enter(account, account.password);
    await this.page.waitForSelector('.userinfo');
  }

  contact(jid, rest = '') {
    return this.page.locator(`converse-roster li.list-item${rest}`, { has: this.page.locator(`a[data-jid="${jid}"]`) });
  }

  /** Adds a contact, who will be asked. */
  async add(jid) {
    await this.page.click('.dropdown--contacts button');
    await this.page.click('.dropdown--contacts .add-contact');
    await this.page.fill('converse-add-contact-modal input[name="jid"]', jid);
    await this.page.click('converse-add-contact-modal [type="submit"]');
  }

  async chatWith(jid) {
    await this.contact(jid).locator('a.open-chat').click();
  }

  async say(text) {
    await this.page.fill('.chat-textarea', text);
    await this.page.press('.chat-textarea', 'Enter');
  }

  async sees(selector, text) {
    await this.page.locator(selector, { hasText: text }).first().waitFor();
  }

  async show(state, text) {
    await this.page.click('a.change-status');
    await this.page.check(`#set-xmpp-status input[value="${state}"]`);
    await this.page.fill('#set-xmpp-status input[name="status_message"]', text);
    await this.page.click('#set-xmpp-status [type="submit"]');
    await this.page.click('converse-profile-modal .modal-footer .btn-secondary');
    await this.page.waitForSelector('converse-profile-modal', { state: 'hidden' });
  }

  async logOut() {
    await this.page.click('a.change-status');
    await this.page.click('converse-profile-modal .modal-footer .btn-danger');
    await this.page.click('converse-confirm-modal [type="submit"]');
    await this.page.waitForSelector('input[name="jid"]');
  }
}

async function desktop(account) {
  const xmpp = client({ service: `xmpp://${edge(starttls, 1)}`, domain, username: account.name, password: account.password, timeout: patience });
  const one = { xmpp, seen: [] };
  xmpp.on('stanza', (stanza) => one.seen.push(stanza.toString()));
  xmpp.on('error', () => {}); // a failed start() also says so
  open.push(xmpp);
  one.jid = (await xmpp.start()).toString();
  await xmpp.iqCaller.get(xml('query', 'jabber:iq:roster'), undefined, patience);
  await xmpp.send(xml('presence', {}, xml('status', {}, 'on the balcony')));
  return one;
}

/** Waits for a stanza with all these parts in its text; gives it. */
const sees = (who, ...parts) => until(parts.join(' … '), () =>
  who.seen.find((text) => parts.every((part) => text.includes(part))))
  .catch((error) => {
    throw new Error(`${error.message}; ${who.jid} saw\n${who.seen.join('\n')}`);
  });

/** Answers who asks for presence and asks back, which converse.js grants to a contact by itself. */
async function befriend(who, jid) {
  await sees(who, '<presence', '"subscribe"', `from="${jid}"`);
  await who.xmpp.send(xml('presence', { to: jid, type: 'subscribed' }));
  await who.xmpp.send(xml('presence', { to: jid, type: 'subscribe' }));
  await sees(who, '<presence', `from="${jid}/`);
}

test('converse.js and xmpp.js over TCP chat both ways, and each sees the other come, change and go', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const b = await desktop(juliet);
  const a = await Converse.come(edge(plain, 0));
  await a.logIn(romeo);
  await a.add(juliet.jid);
  await befriend(b, romeo.jid);
  await a.contact(juliet.jid, '[data-status="online"]').waitFor();
  await b.xmpp.send(xml('presence', {}, xml('show', {}, 'away'), xml('status', {}, 'at the window')));
  await a.contact(juliet.jid, '[data-status="away"]').waitFor();
  await a.show('dnd', 'under the balcony');
  await sees(b, '<presence', `from="${romeo.jid}/`, '<show>dnd</show>', 'under the balcony');

  await a.chatWith(juliet.jid);
  await a.say('But, soft! <what> light & so ☾');
  await sees(b, '<message', `from="${romeo.jid}/`, 'But, soft! &lt;what&gt; light &amp; so ☾');
  await b.xmpp.send(xml('message', { to: romeo.jid, type: 'chat' }, xml('body', {}, 'Ay <me>! & so on ☾')));
  await a.sees('.chat-msg__text', 'Ay <me>! & so on ☾');

  await b.xmpp.stop();
  await a.contact(juliet.jid, '[data-status="offline"]').waitFor();
  assert.deepEqual(a.errors, []);
});

test('converse.js says that a password is wrong, logs in with the right one, and logs out', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const b = await desktop(juliet);
  const a = await Converse.come(edge(plain, 2));
  await a.enter(romeo, 'not it');
  await a.sees('.conn-feedback', 'password is incorrect');
  await a.logIn(romeo);
  await a.add(juliet.jid);
  await befriend(b, romeo.jid);
  await a.logOut();
  await sees(b, '<presence', `from="${romeo.jid}/`, 'unavailable');
});
