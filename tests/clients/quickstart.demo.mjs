// What a person does after deploy/run.sh: two browsers, the two log-ins it printed, nothing else.
// Started by quickstart.py, which reads address and log-ins off the screen: node … JID PASSWORD JID PASSWORD
import { chatLine, presenceLine, startBrowser, Visitor } from './page.mjs';

const [jid, password, otherJid, otherPassword] = process.argv.slice(2);
const browser = await startBrowser();
try {
  const a = await Visitor.come(browser, 0);
  const b = await Visitor.come(browser, 0);
  await a.logIn({ jid, password });
  await b.logIn({ jid: otherJid, password: otherPassword });
  await a.sees(presenceLine(otherJid, 'chat')); // contacts from the start
  await b.sees(presenceLine(jid, 'chat'));
  await b.show('Busy');
  await b.say('on the balcony');
  await a.sees(presenceLine(otherJid, 'on the balcony dnd'));
  await a.send(otherJid, 'What’s in a name?');
  await b.sees(chatLine(jid, 'What’s in a name?'));
  await b.send(jid, 'That which we call a rose …');
  await a.sees(chatLine(otherJid, 'That which we call a rose …'));
  await a.shot('quickstart');
} finally {
  await browser.close();
}
