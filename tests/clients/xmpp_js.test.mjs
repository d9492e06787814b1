// @xmpp/client (xmpp.js) in Node: log in, presence, chat, and reconnection; ws and wss.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import './globals.mjs';
import { client, xml } from './xmpp.mjs';
import { domain, edge, makeAccount, patience, plain, secure, until } from './cluster.mjs';
import { comesBack } from './comes_back.mjs';

const open = [];
after(() => Promise.all(open.map((xmpp) => xmpp.stop().catch(() => {}))));

/** `max`: seconds for which a session whose connection broke is to be kept (XEP-0198). */
async function logIn(account, service, { password = account.password, max = null } = {}) {
  const xmpp = client({ service, domain, username: account.name, password, timeout: patience });
  xmpp.streamManagement.preferredMaximum = max;
  const seen = [];
  xmpp.on('stanza', (stanza) => seen.push(stanza));
  xmpp.on('error', () => {}); // a failed start() also says so
  open.push(xmpp);
  const jid = await xmpp.start();
  return { xmpp, seen, jid: jid.toString(), bare: jid.bare().toString() };
}

const has = (client, name, predicate) => until(`a ${name} ${predicate}`, () =>
  client.seen.find((stanza) => stanza.is(name) && predicate(stanza)))
  .catch((error) => {
    throw new Error(`${error.message}; ${client.jid} saw\n${client.seen.join('\n')}`);
  });

for (const [kind, addresses] of [['ws', plain], ['wss', secure]]) {
  test(`xmpp.js: two accounts chat over ${kind} through different edges`, { skip: addresses.length === 0 }, async () => {
    const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
    const a = await logIn(romeo, edge(addresses, 1));
    const b = await logIn(juliet, edge(addresses, 2));
    assert.equal(a.bare, romeo.jid);
    for (const one of [a, b]) {
      await one.xmpp.send(xml('presence'));
      await has(one, 'presence', (stanza) => stanza.attrs.from === one.jid);
    }
    for (let i = 0; i < 50; i++) {
      await a.xmpp.send(xml('message', { to: juliet.jid, type: 'chat' }, xml('body', {}, `line ${i}`)));
    }
    await has(b, 'message', (stanza) => stanza.getChildText('body') === 'line 49');
    const bodies = b.seen.filter((stanza) => stanza.is('message')).map((stanza) => stanza.getChildText('body'));
    assert.deepEqual(bodies, Array.from({ length: 50 }, (_, i) => `line ${i}`), 'every line once and in order');
    await b.xmpp.send(xml('message', { to: a.jid, type: 'chat' }, xml('body', {}, 'heard')));
    const answer = await has(a, 'message', (stanza) => stanza.getChildText('body') === 'heard');
    assert.equal(answer.attrs.from, b.jid);
  });
}

test('xmpp.js over wss comes back with its token by SASL2, Bind 2 and FAST', { skip: secure.length === 0 }, async () => {
  const account = await makeAccount('token');
  await comesBack(account, edge(secure, 0), edge(secure, 1), (end) => open.push({ stop: end }));
});

test('xmpp.js is refused with a wrong password', async () => {
  const account = await makeAccount('xmppjs');
  await assert.rejects(logIn(account, edge(plain, 0), { password: 'not it' }), /not-authorized/);
});

test('xmpp.js: requests to the server are answered', async () => {
  const a = await logIn(await makeAccount('xmppjs'), edge(plain, 2));
  const ask = (ns, to) => a.xmpp.iqCaller.get(xml(ns === 'urn:xmpp:ping' ? 'ping' : 'query', ns), to, patience);
  await ask('urn:xmpp:ping', domain);
  const version = await ask('jabber:iq:version', domain);
  assert.ok(version.getChildText('name'));
  const roster = await ask('jabber:iq:roster');
  assert.deepEqual(roster.getChildren('item'), []);
  const info = await ask('http://jabber.org/protocol/disco#info', a.bare);
  assert.ok(info.getChildren('identity').some((identity) => identity.attrs.category === 'account'));
});

test('xmpp.js: a session that nobody resumes in time is seen to go by its contacts', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await logIn(romeo, edge(plain, 0));
  const b = await logIn(juliet, edge(plain, 1), { max: 2 });
  for (const one of [a, b]) {
    await one.xmpp.iqCaller.get(xml('query', 'jabber:iq:roster'), undefined, patience);
    await one.xmpp.send(xml('presence'));
  }
  await a.xmpp.send(xml('presence', { to: juliet.jid, type: 'subscribe' }));
  await has(b, 'presence', (stanza) => stanza.attrs.type === 'subscribe');
  await b.xmpp.send(xml('presence', { to: romeo.jid, type: 'subscribed' }));
  await has(a, 'presence', (stanza) => stanza.attrs.from === b.jid && !stanza.attrs.type);
  b.xmpp.reconnect.stop();
  b.xmpp.socket.socket.terminate(); // no </stream>, no closing handshake: the socket is just gone
  await has(a, 'presence', (stanza) => stanza.attrs.from === b.jid && stanza.attrs.type === 'unavailable');
});
