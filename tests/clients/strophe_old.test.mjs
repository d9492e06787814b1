// Strophe 1.1.3 of 2014 in Chromium: the draft's <stream:stream> framing from before RFC 7395, which
// pages of that day still speak. One such client talks with a client of today.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import './globals.mjs';
import { client, xml } from './xmpp.mjs';
import { domain, edge, makeAccount, patience, plain, until } from './cluster.mjs';
import { startBrowser } from './page.mjs';

const library = createRequire(import.meta.url).resolve('strophe/strophe.js');
let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** Runs in the page: logs in and keeps what happens in window.seen. */
function logInThere({ address, jid, password }) {
  /* global Strophe, $pres */
  window.seen = [];
  window.connection = new Strophe.Connection(address);
  window.connection.connect(jid, password, (status) => {
    window.seen.push(`status ${status}`);
    if (status === Strophe.Status.CONNECTED) {
      const keep = (stanza) => window.seen.push(Strophe.serialize(stanza));
      window.connection.addHandler((stanza) => (keep(stanza), true), null, 'message');
      window.connection.addHandler((stanza) => (keep(stanza), true), null, 'presence');
      window.connection.send($pres().tree());
    }
  });
}

test('Strophe 1.1 with the older framing chats with xmpp.js', async () => {
  const [old, young] = await Promise.all([makeAccount('old', 'ASCII is all it can'), makeAccount('young')]);
  const page = await browser.newPage();
  await page.addScriptTag({ path: library });
  await page.evaluate(logInThere, { address: edge(plain, 0), jid: old.jid, password: old.password });
  const has = (text) => until(text, () => page.evaluate((part) => window.seen.find((one) => one.includes(part)), text))
    .catch(async (error) => {
      throw new Error(`${error.message}; it saw ${await page.evaluate(() => window.seen.join('\n'))}`);
    });
  await has('status 5');
  await has('<presence');
  const jid = await page.evaluate(() => window.connection.jid);
  assert.ok(jid.startsWith(`${old.jid}/`));

  const xmpp = client({ service: edge(plain, 1), domain, username: young.name, password: young.password, timeout: patience });
  try {
    const bodies = [];
    xmpp.on('stanza', (stanza) => stanza.is('message') && bodies.push(stanza.getChildText('body')));
    await xmpp.start();
    await xmpp.send(xml('presence'));
    await xmpp.send(xml('message', { to: jid, type: 'chat' }, xml('body', {}, 'How does 2014 feel?')));
    await has('How does 2014 feel?');
    await page.evaluate((to) => {
      /* global $msg */
      window.connection.send($msg({ to, type: 'chat' }).c('body').t('Like <stream:stream> & so on').tree());
    }, xmpp.jid.toString());
    await until('the answer', () => bodies.includes('Like <stream:stream> & so on'));
  } finally {
    await xmpp.stop();
  }
  await page.evaluate(() => window.connection.disconnect());
  await has('status 6');
});
