// The book's page in real Chromium and a desktop client (slixmpp over TCP): one conversation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { direct, edge, makeAccount, starttls } from '../cluster.mjs';
import { chatLine, presenceLine, startBrowser, Visitor } from '../page.mjs';
import { Program, slixmpp } from './program.mjs';

let browser;
const desktops = [];
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  desktops.forEach((desktop) => desktop.end());
  await browser?.close();
});

for (const [way, addresses] of [['starttls', starttls], ['tls', direct]]) {
  test(`a browser on the book's page and a desktop client over ${way} chat both ways and see each other's presence and status`, async () => {
    const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
    const page = await Visitor.come(browser, 0);
    await page.logIn(romeo);
    const desktop = await Program.logIn(slixmpp, juliet, edge(addresses, 1), way);
    desktops.push(desktop);

    await page.send(juliet.jid, 'But, soft! <what> light?');
    await desktop.sees(new RegExp(`^message ${romeo.jid}/\\S+ But, soft! <what> light\\?$`));
    desktop.order('message', romeo.jid, 'Ay me! & so on ☾');
    await page.sees(chatLine(juliet.jid, 'Ay me! & so on ☾'));

    // The page asked for the other's presence when it wrote; now the person at the desk answers and asks.
    await desktop.sees(new RegExp(`^presence ${romeo.jid} subscribe`));
    desktop.order('subscribed', romeo.jid);
    desktop.order('subscribe', romeo.jid);
    desktop.order('presence', 'dnd', 'at the window');
    await page.sees(presenceLine(juliet.jid, 'at the window dnd'));
    await page.say('under the balcony');
    await page.show('Away');
    await desktop.sees(new RegExp(`^presence ${romeo.jid}/\\S+ away under the balcony$`));

    await page.page.click('#connectButton');
    await desktop.sees(new RegExp(`^presence ${romeo.jid}/\\S+ unavailable`));
    assert.deepEqual(page.errors, []);
  });
}
