// xmpp.js while daemons of the cluster are killed under it: SIGKILL is a normal stop.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import './globals.mjs';
import { client, xml } from './xmpp.mjs';
import { domain, edge, makeAccount, patience, plain, until } from './cluster.mjs';
import { kill, restart, start, startKilled } from './kill.mjs';

const open = [];
afterEach(async () => {
  await startKilled();
  await Promise.all(open.splice(0).map((xmpp) => xmpp.stop().catch(() => {})));
});

async function logIn(account, n, configure = () => {}) {
  const xmpp = client({ service: edge(plain, n), domain, username: account.name, password: account.password, timeout: patience });
  const one = { xmpp, seen: [], online: 0 };
  xmpp.on('stanza', (stanza) => one.seen.push(stanza.toString()));
  xmpp.on('error', () => {}); // its socket breaks: that is the test
  xmpp.on('online', (jid) => {
    one.online += 1;
    one.jid = jid.toString();
    // xmpp.js does not count what comes in the same breath as <enabled/>: nothing is asked for before.
    until('stream management', () => xmpp.streamManagement.enabled).catch(() => {})
      .then(() => xmpp.send(xml('presence'))).catch(() => {});
  });
  open.push(xmpp);
  configure(xmpp);
  await xmpp.start();
  await sees(one, '<presence', `from="${one.jid}"`);
  return one;
}

const sees = (who, ...parts) => until(parts.join(' … '), () =>
  who.seen.find((text) => parts.every((part) => text.includes(part))), 60000)
  .catch((error) => {
    throw new Error(`${error.message}; ${who.jid} saw\n${who.seen.join('\n')}`);
  });

const say = (one, to, body) => one.xmpp.send(xml('message', { to, type: 'chat' }, xml('body', {}, body)));

async function befriend(a, b) {
  const [bareA, bareB] = [a, b].map((one) => one.jid.split('/')[0]);
  await a.xmpp.send(xml('presence', { to: bareB, type: 'subscribe' }));
  await sees(b, '"subscribe"', bareA);
  await b.xmpp.send(xml('presence', { to: bareA, type: 'subscribed' }));
  await sees(a, '<presence', `from="${b.jid}"`);
}

async function two(configure) {
  const accounts = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
  return Promise.all(accounts.map((account, n) => logIn(account, n, configure)));
}

const bodiesOf = (one) => one.seen.map((text) => />(line \d+)</.exec(text)?.[1]).filter(Boolean);

test('an edge is killed: contacts see its people go, and come again when it is back', async () => {
  const [a, b] = await two((xmpp) => {
    xmpp.streamManagement.preferredMaximum = 1; // seconds: nobody waits for a resume
  });
  await befriend(a, b);
  const old = b.jid;
  await kill('edge-2');
  await sees(a, '"unavailable"', `from="${old}"`);
  assert.equal(b.online, 1);
  await start('edge-2');
  await until('a second login', () => b.online > 1, 60000);
  await sees(a, '<presence', `from="${b.jid}"`);
  await say(a, b.jid, 'There you are');
  await sees(b, 'There you are');
});

for (const [name, whose] of [['edge-2', 'who listens'], ['edge-1', 'who talks']]) {
  test(`the edge of ${whose} is killed: the stream is resumed at another one, every line arrives once and in order`, async () => {
    const [a, b] = await two();
    await befriend(a, b);
    const victim = name === 'edge-1' ? a : b;
    const old = victim.jid;
    let resumed = 0;
    victim.xmpp.options.service = edge(plain, 2); // where it comes back
    victim.xmpp.streamManagement.on('resumed', () => {
      resumed += 1;
    });
    const lines = [];
    const talk = async (isOver) => {
      do {
        if (a.xmpp.status === 'online') { // xmpp.js keeps nothing that is sent while it is not
          lines.push(`line ${lines.length}`);
          say(a, b.jid, lines.at(-1)).catch(() => {}); // it has it and sends it again
        }
        await setTimeout(2);
      } while (!isOver());
    };
    let left = 100;
    await talk(() => (left -= 1) === 0);
    const killing = kill(name);
    const end = Date.now() + 60000;
    let after = 200;
    await talk(() => Date.now() > end || (resumed > 0 && (after -= 1) === 0));
    await killing;
    assert.equal(resumed, 1);
    assert.equal(victim.online, 1, 'no second login');
    assert.equal(victim.xmpp.jid.toString(), old);
    await sees(b, `>${lines.at(-1)}<`);
    assert.deepEqual(bodiesOf(b), lines);
    await say(b, a.jid, 'I heard it all');
    await sees(a, 'I heard it all');
    for (const one of [a, b]) {
      assert.ok(!one.seen.some((text) => text.includes('"unavailable"')), 'nobody went');
    }
    await start(name);
  });
}

for (const kind of ['router', 'session', 'presence']) {
  test(`each ${kind} is killed and started again in the middle of a conversation: every line arrives once and in order`, async () => {
    const [a, b] = await two();
    const lines = [];
    for (const name of [`${kind}-1`, `${kind}-2`]) {
      let isBack = false;
      const restarting = restart(name).finally(() => {
        isBack = true;
      });
      do { // meanwhile they go on talking
        lines.push(`line ${lines.length}`);
        await say(a, b.jid, lines.at(-1));
        await setTimeout(2);
      } while (!isBack);
      await restarting;
    }
    await sees(b, `>${lines.at(-1)}<`);
    assert.deepEqual(bodiesOf(b), lines);
  });
}
