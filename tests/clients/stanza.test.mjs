// stanza (StanzaJS) in Node over WebSocket: SCRAM, roster, presence and status, chat; ws and wss.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import './globals.mjs';
import { createClient } from 'stanza';
import { edge, makeAccount, plain, secure, until } from './cluster.mjs';

const open = [];
after(() => Promise.all(open.map((client) => client.disconnect())));

class Person {
  constructor(account, address, password = account.password) {
    this.account = account;
    this.seen = [];
    this.client = createClient({ jid: account.jid, password, autoReconnect: false,
      transports: { websocket: address, bosh: false } });
    for (const event of ['auth:failed', 'session:started', 'disconnected', 'message', 'presence', 'roster:update']) {
      this.client.on(event, (data) => this.seen.push({ event, data }));
    }
    const { createMechanism } = this.client.sasl;
    this.client.sasl.createMechanism = (names) => { // so that we know which it took
      const chosen = createMechanism.call(this.client.sasl, names);
      this.mechanism = chosen?.name;
      return chosen;
    };
    open.push(this.client);
  }

  static async logIn(account, address) {
    const person = new Person(account, address);
    person.client.connect();
    await person.sees('session:started');
    assert.match(person.mechanism, /^SCRAM-/);
    assert.deepEqual((await person.client.getRoster()).items, []);
    person.client.sendPresence();
    await person.sees('presence', ({ from }) => from === person.client.jid);
    return person;
  }

  /** Waits for such an event and gives what came with it. */
  async sees(event, predicate = () => true) {
    const found = () => this.seen.find((one) => one.event === event && predicate(one.data));
    try {
      return (await until(`${event} ${predicate}`, found)).data;
    } catch (error) {
      throw new Error(`${error.message}; ${this.account.jid} saw\n${this.seen.map((one) => JSON.stringify(one)).join('\n')}`);
    }
  }
}

const isFrom = (person, type) => (stanza) => stanza.from === person.client.jid && stanza.type === type;

async function befriend(a, b) {
  for (const [one, other] of [[a, b], [b, a]]) {
    one.client.subscribe(other.account.jid);
    await other.sees('presence', ({ from, type }) => type === 'subscribe' && from === one.account.jid);
    other.client.acceptSubscription(one.account.jid);
    await one.sees('presence', isFrom(other));
  }
}

for (const [kind, addresses] of [['ws', plain], ['wss', secure]]) {
  test(`two stanza clients over ${kind} chat both ways and see each other's presence, status and leaving`, async () => {
    const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
    const [a, b] = await Promise.all([Person.logIn(romeo, edge(addresses, 0)), Person.logIn(juliet, edge(addresses, 1))]);
    await befriend(a, b);

    const { items } = await a.client.getRoster();
    assert.deepEqual(items.map(({ jid, subscription }) => [jid, subscription]), [[juliet.jid, 'both']]);
    await a.sees('roster:update', ({ roster }) => roster.items.some((item) => item.jid === juliet.jid && item.subscription === 'both'));

    for (const [one, other] of [[a, b], [b, a]]) {
      one.client.sendPresence({ show: 'dnd', status: 'At <the> window & so ☾' });
      const { show, status } = await other.sees('presence', (stanza) => isFrom(one)(stanza) && stanza.show);
      assert.deepEqual([show, status], ['dnd', 'At <the> window & so ☾']);
      one.client.sendMessage({ to: other.account.jid, type: 'chat', body: `But, soft! <what> & "so" – ☾` });
      const message = await other.sees('message', ({ from }) => from === one.client.jid);
      assert.equal(message.body, 'But, soft! <what> & "so" – ☾');
    }

    await b.client.disconnect();
    await b.sees('disconnected');
    await a.sees('presence', isFrom(b, 'unavailable'));
  });
}

test('stanza uses SCRAM and is refused with a wrong password', async () => {
  const person = new Person(await makeAccount('stanza'), edge(plain, 2), 'not it');
  person.client.connect();
  await person.sees('auth:failed');
  assert.match(person.mechanism, /^SCRAM-/);
  assert.equal(person.seen.filter(({ event }) => event === 'session:started').length, 0);
});
