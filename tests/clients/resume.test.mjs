// Clients with stream management (XEP-0198) of which the daemon that has their connection is killed: they
// resume at another one, over every transport they know, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import './globals.mjs';
import { createClient } from 'stanza';
import { client, xml } from './xmpp.mjs';
import { direct, domain, makeAccount, patience, plain, secure, starttls, until } from './cluster.mjs';
import { kill, start, startKilled } from './kill.mjs';

const open = [];
afterEach(async () => {
  await startKilled();
  await Promise.all(open.splice(0).map((end) => end().catch(() => {})));
});

/** Waits for a stanza with all these parts in its text. */
const sees = (who, ...parts) => until(parts.join(' … '), () =>
  who.seen.find((text) => parts.every((part) => text.includes(part))), 2 * patience)
  .catch((error) => {
    throw new Error(`${error.message}; ${who.jid} saw\n${who.seen.join('\n')}`);
  });

/** Somebody with xmpp.js, which resumes by itself. */
async function logIn(account, service) {
  const xmpp = client({ service, domain, username: account.name, password: account.password, timeout: patience });
  const one = { seen: [], resumed: 0, bare: account.jid };
  xmpp.streamManagement.on('resumed', () => { one.resumed += 1; });
  xmpp.on('stanza', (stanza) => one.seen.push(stanza.toString()));
  xmpp.on('error', () => {}); // its socket breaks: that is the test
  one.moveTo = (other) => { xmpp.options.service = other; };
  one.presence = (attributes = {}) => xmpp.send(xml('presence', attributes));
  one.say = (to, body) => xmpp.send(xml('message', { to, type: 'chat' }, xml('body', {}, body)));
  open.push(() => xmpp.stop());
  one.jid = (await xmpp.start()).toString();
  await until('stream management', () => xmpp.streamManagement.enabled);
  // Not by its iqCaller: answers that it takes are not counted by xmpp.js, which then resumes too early.
  await xmpp.send(xml('iq', { type: 'get', id: 'roster' }, xml('query', 'jabber:iq:roster')));
  await sees(one, '<iq', 'id="roster"');
  await one.presence();
  await sees(one, '<presence', `from="${one.jid}"`);
  return one;
}

/** The same with stanza, another library. */
async function logInWithStanza(account, address) {
  const person = createClient({ jid: account.jid, password: account.password, autoReconnect: true,
    maxReconnectBackoff: 2, transports: { websocket: address, bosh: false } });
  const one = { seen: [], resumed: 0, bare: account.jid };
  person.on('stream:management:resumed', () => { one.resumed += 1; });
  for (const event of ['message', 'presence']) {
    person.on(event, ({ from, type, body }) => one.seen.push(
      `<${event} from="${from}" type="${type ?? ''}"><body>${body ?? ''}</body>`));
  }
  one.moveTo = (other) => person.updateConfig({ ...person.config, transports: { websocket: other, bosh: false } });
  one.presence = ({ to, type } = {}) => Promise.resolve(person.sendPresence({ to, type }));
  one.say = (to, body) => Promise.resolve(person.sendMessage({ to, type: 'chat', body }));
  open.push(() => person.disconnect());
  person.connect();
  await until('a session', () => person.sessionStarted);
  one.jid = person.jid;
  await person.getRoster();
  await one.presence();
  await sees(one, '<presence', `from="${one.jid}"`);
  return one;
}

/** `a` may see the presence of `b`. */
async function befriend(a, b) {
  await a.presence({ to: b.bare, type: 'subscribe' });
  await sees(b, '"subscribe"', `from="${a.bare}"`);
  await b.presence({ to: a.bare, type: 'subscribed' });
  await sees(a, '<presence', `from="${b.jid}"`);
}

const linesOf = (who) => who.seen.map((text) => />(line \d+)</.exec(text)?.[1]).filter(Boolean);
const lines = (from, to) => Array.from({ length: to - from }, (_, n) => `line ${from + n}`);

/** Says them to the session and does not wait for anything. */
async function say(who, to, what) {
  for (const line of what) {
    await who.say(to, line);
  }
}

const twoAccounts = () => Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
const tcp = (addresses, scheme) => addresses.map((address) => `${scheme}://${address}`);

for (const [what, enter, kind, addresses] of [
  ['xmpp.js over ws', logIn, 'edge', plain],
  ['xmpp.js over wss', logIn, 'edge', secure],
  ['xmpp.js over STARTTLS', logIn, 'c2s', tcp(starttls, 'xmpp')],
  ['xmpp.js over TLS', logIn, 'c2s', tcp(direct, 'xmpps')],
  ['stanza over ws', logInWithStanza, 'edge', plain],
]) {
  test(`${what}: its ${kind} is killed, it resumes at another one, and every line arrives once and in order both ways`, async () => {
    const [romeo, juliet] = await twoAccounts();
    const [a, b] = [await logIn(romeo, plain[2]), await enter(juliet, addresses[0])];
    await befriend(a, b);
    await Promise.all([say(a, b.jid, lines(0, 30)), say(b, a.jid, lines(0, 30))]);
    const killing = kill(`${kind}-1`); // with that on its way
    b.moveTo(addresses[1]);
    await killing;
    await say(a, b.jid, lines(30, 60)); // meanwhile
    await until('that the session is resumed', () => b.resumed > 0, 2 * patience);
    await start(`${kind}-1`);
    await say(a, b.jid, lines(60, 90));
    await say(b, a.jid, lines(30, 60));
    await sees(b, '>line 89<');
    await sees(a, '>line 59<');
    assert.deepEqual(linesOf(b), lines(0, 90));
    assert.deepEqual(linesOf(a), lines(0, 60));
    assert.equal(b.resumed, 1);
    assert.deepEqual(a.seen.filter((text) => text.includes('unavailable')), []);
  });
}
