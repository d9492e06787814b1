// Strophe.js in Node: log in with SCRAM, presence, chat, ping, roster; ws and wss.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import './globals.mjs';
import { $iq, $msg, $pres, Strophe } from 'strophe.js';
import { domain, edge, makeAccount, makeToken, patience, plain, secure, until } from './cluster.mjs';

Strophe.setLogLevel(Strophe.LogLevel.FATAL);

const open = [];
after(() => open.forEach((connection) => connection.disconnect()));

const only = (mechanism) => (mechanism ? { mechanisms: [Strophe[mechanism]] } : {});

function logIn(account, address, mechanism, password = account.password) {
  const connection = new Strophe.Connection(address, only(mechanism));
  const seen = [];
  open.push(connection);
  return new Promise((resolve, reject) => {
    connection.connect(account.jid, password, (status, reason) => {
      if (status === Strophe.Status.CONNECTED) {
        connection.addHandler((stanza) => (seen.push(stanza), true));
        resolve({ connection, seen, jid: connection.jid });
      } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) {
        reject(new Error(`status ${status} ${reason}`));
      }
    });
  });
}

const ask = (client, iq) => new Promise((resolve, reject) => {
  client.connection.sendIQ(iq, resolve, (error) => reject(new Error(error ? Strophe.serialize(error) : 'no answer')), patience);
});

const has = (client, name, predicate) => until(`a ${name} ${predicate}`, () =>
  client.seen.find((stanza) => stanza.nodeName === name && predicate(stanza)))
  .catch((error) => {
    throw new Error(`${error.message}; ${client.jid} saw\n${client.seen.map((one) => Strophe.serialize(one)).join('\n')}`);
  });

const from = (client) => (stanza) => stanza.getAttribute('from') === client.jid;

for (const [kind, addresses] of [['ws', plain], ['wss', secure]]) {
  const options = { skip: addresses.length === 0 };
  for (const mechanism of ['SASLSHA1', 'SASLSHA256']) {
    test(`Strophe.js logs in over ${kind} with ${mechanism}`, options, async () => {
      const account = await makeAccount('strophe');
      const client = await logIn(account, edge(addresses, 1), mechanism);
      assert.equal(Strophe.getBareJidFromJid(client.jid), account.jid);
    });
  }

  test(`Strophe.js: two accounts chat over ${kind} through different edges`, options, async () => {
    const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
    const a = await logIn(romeo, edge(addresses, 0));
    const b = await logIn(juliet, edge(addresses, 1));
    a.connection.send($pres());
    b.connection.send($pres());
    await has(a, 'presence', from(a)); // a server sends a session its own presence: it is on now
    await has(b, 'presence', from(b));
    a.connection.send($msg({ to: juliet.jid, type: 'chat' }).c('body').t('Wherefore <art> & "thou"?'));
    const message = await has(b, 'message', from(a));
    assert.equal(message.getElementsByTagName('body')[0].textContent, 'Wherefore <art> & "thou"?');
    assert.equal(message.getAttribute('type'), 'chat');
    b.connection.send($msg({ to: a.jid, type: 'chat' }).c('body').t('Ay me! – ☾'));
    const answer = await has(a, 'message', from(b));
    assert.equal(answer.getElementsByTagName('body')[0].textContent, 'Ay me! – ☾');
  });
}

test('Strophe.js logs in over wss with a token, and is refused with one that has expired', {
  skip: secure.length === 0 || !process.env.CLUSTER_AUTHORITY,
}, async () => {
  const account = await makeAccount('strophe');
  const good = await makeToken({ sub: account.name, aud: domain });
  const client = await logIn(account, edge(secure, 0), 'SASLOAuthBearer', good);
  assert.equal(Strophe.getBareJidFromJid(client.jid), account.jid);
  const stale = await makeToken({ sub: account.name, aud: domain, exp: 1700000000 });
  const refused = await logIn(account, edge(secure, 0), 'SASLOAuthBearer', stale).then(() => 'let in', (error) => error.message);
  assert.equal(refused, `status ${Strophe.Status.AUTHFAIL} null`);
});

test('Strophe.js comes in without an account, and may say something', async () => {
  const juliet = await makeAccount('juliet');
  const b = await logIn(juliet, edge(plain, 0));
  const a = await logIn({ jid: domain, password: null }, edge(plain, 1));
  assert.match(a.jid, new RegExp(`^[0-9a-f-]{36}@${domain}/`));
  a.connection.send($msg({ to: b.jid, type: 'chat' }).c('body').t('You do not know me'));
  assert.equal((await has(b, 'message', from(a))).getElementsByTagName('body')[0].textContent, 'You do not know me');
});

test('Strophe.js is refused with a wrong password, and for a name nobody has, in the same words', async () => {
  const account = await makeAccount('strophe');
  const stranger = { jid: `nobody-${Date.now()}@${domain}`, password: 'x' };
  const words = async (login) => login.then(() => 'let in', (error) => error.message);
  const wrong = await words(logIn(account, edge(plain, 0), 'SASLSHA1', 'not it'));
  const unknown = await words(logIn(stranger, edge(plain, 0), 'SASLSHA1'));
  assert.equal(wrong, `status ${Strophe.Status.AUTHFAIL} null`);
  assert.equal(unknown, wrong);
});

test('Strophe.js: contacts see presence come, change and go', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await logIn(romeo, edge(plain, 0));
  const b = await logIn(juliet, edge(plain, 2));
  for (const client of [a, b]) {
    await ask(client, $iq({ type: 'get' }).c('query', { xmlns: Strophe.NS.ROSTER }));
    client.connection.send($pres());
    await has(client, 'presence', from(client));
  }
  const typed = (type, jid) => (stanza) => stanza.getAttribute('type') === type && stanza.getAttribute('from') === jid;
  a.connection.send($pres({ to: juliet.jid, type: 'subscribe' }));
  await has(b, 'presence', typed('subscribe', romeo.jid));
  b.connection.send($pres({ to: romeo.jid, type: 'subscribed' }));
  await has(a, 'presence', typed('subscribed', juliet.jid));
  await has(a, 'presence', (stanza) => from(b)(stanza) && !stanza.getAttribute('type'));

  b.connection.send($pres().c('show').t('dnd').up().c('status').t('On the balcony'));
  const changed = await has(a, 'presence', (stanza) => from(b)(stanza) && stanza.getElementsByTagName('show').length > 0);
  assert.equal(changed.getElementsByTagName('show')[0].textContent, 'dnd');
  assert.equal(changed.getElementsByTagName('status')[0].textContent, 'On the balcony');
  b.connection.disconnect();
  await has(a, 'presence', typed('unavailable', b.jid));

  const roster = await ask(a, $iq({ type: 'get' }).c('query', { xmlns: Strophe.NS.ROSTER }));
  const item = roster.getElementsByTagName('item')[0];
  assert.equal(item.getAttribute('jid'), juliet.jid);
  assert.equal(item.getAttribute('subscription'), 'to');
});

test('Strophe.js: the server answers ping, disco#info and an unknown request', async () => {
  const client = await logIn(await makeAccount('strophe'), edge(plain, 1));
  await ask(client, $iq({ type: 'get', to: domain }).c('ping', { xmlns: 'urn:xmpp:ping' }));
  const info = await ask(client, $iq({ type: 'get', to: domain }).c('query', { xmlns: Strophe.NS.DISCO_INFO }));
  const features = Array.from(info.getElementsByTagName('feature')).map((feature) => feature.getAttribute('var'));
  assert.ok(features.includes('urn:xmpp:ping'));
  assert.ok(features.includes(Strophe.NS.DISCO_INFO));
  await assert.rejects(ask(client, $iq({ type: 'get', to: domain }).c('query', { xmlns: 'urn:example:nothing' })),
    /service-unavailable/);
});

test('Strophe.js: a ping travels from client to client', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await logIn(romeo, edge(plain, 0));
  const b = await logIn(juliet, edge(plain, 1));
  b.connection.addHandler((stanza) => {
    b.connection.send($iq({ type: 'result', id: stanza.getAttribute('id'), to: stanza.getAttribute('from') }));
    return true;
  }, 'urn:xmpp:ping', 'iq', 'get');
  const pong = await ask(a, $iq({ type: 'get', to: b.jid }).c('ping', { xmlns: 'urn:xmpp:ping' }));
  assert.equal(pong.getAttribute('from'), b.jid);
});

test('Strophe.js is told when nobody is there to take a message', async () => {
  const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  const a = await logIn(romeo, edge(plain, 0));
  a.connection.send($msg({ to: `nobody-${Date.now()}@${domain}`, type: 'chat' }).c('body').t('Anyone?'));
  const error = await has(a, 'message', (stanza) => stanza.getAttribute('type') === 'error');
  assert.equal(error.getElementsByTagName('service-unavailable').length, 1);
  assert.ok(juliet);
});
