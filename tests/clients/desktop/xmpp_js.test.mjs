// @xmpp/client (xmpp.js) in Node over TCP, with STARTTLS and with TLS at once, and Strophe.js over WebSocket.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import '../globals.mjs';
import { client, xml } from '../xmpp.mjs';
import { $msg, $pres, Strophe } from 'strophe.js';
import { direct, domain, edge, makeAccount, patience, plain, starttls, until } from '../cluster.mjs';
import { comesBack } from '../comes_back.mjs';

Strophe.setLogLevel(Strophe.LogLevel.FATAL);

const open = [];
after(() => Promise.all(open.map((end) => end().catch(() => {}))));

async function desktop(account, service, password = account.password) {
  const xmpp = client({ service, domain, username: account.name, password, timeout: patience });
  const seen = [];
  xmpp.on('stanza', (stanza) => seen.push(stanza.toString()));
  xmpp.on('error', () => {}); // a failed start() also says so
  open.push(() => xmpp.stop());
  return { xmpp, seen, jid: (await xmpp.start()).toString() };
}

function web(account, address) {
  const connection = new Strophe.Connection(address);
  const seen = [];
  open.push(async () => connection.disconnect());
  return new Promise((resolve, reject) => {
    connection.connect(account.jid, account.password, (status, reason) => {
      if (status === Strophe.Status.CONNECTED) {
        connection.addHandler((stanza) => (seen.push(Strophe.serialize(stanza)), true));
        resolve({ connection, seen, jid: connection.jid });
      } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) {
        reject(new Error(`status ${status} ${reason}`));
      }
    });
  });
}

/** What a login that must fail ends with. In a process of its own: xmpp.js rejects a second promise that
 * nobody can get hold of, and the test runner would take that for a failure of ours. */
async function failsToLogIn(options) {
  const program = `
    import { client } from './xmpp.mjs';
    const xmpp = client(${JSON.stringify(options)});
    xmpp.on('error', () => {});
    xmpp.reconnect.stop();
    process.on('unhandledRejection', () => {});
    xmpp.start().then(() => console.log('logged in'), (error) => console.log(error.condition))
      .finally(() => process.exit());`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program],
    { cwd: fileURLToPath(new URL('..', import.meta.url)), timeout: 2 * patience });
  return stdout;
}

/** Waits for a stanza with all these parts in its text. */
const sees = (who, ...parts) => until(parts.join(' … '), () =>
  who.seen.find((text) => parts.every((part) => text.includes(part))))
  .catch((error) => {
    throw new Error(`${error.message}; ${who.jid} saw\n${who.seen.join('\n')}`);
  });

for (const [scheme, addresses] of [['xmpp', starttls], ['xmpps', direct]]) {
  const service = (n) => `${scheme}://${edge(addresses, n)}`;

  test(`xmpp.js over ${scheme}:// and Strophe.js over ws:// chat both ways and see each other's status`, async () => {
    const [romeo, juliet] = await Promise.all([makeAccount('romeo'), makeAccount('juliet')]);
    const a = await desktop(romeo, service(0));
    const b = await web(juliet, edge(plain, 1));
    await a.xmpp.send(xml('presence', {}, xml('status', {}, 'under the balcony')));
    b.connection.send($pres().c('status').t('at the window'));
    await a.xmpp.send(xml('presence', { to: juliet.jid, type: 'subscribe' }));
    await sees(b, 'subscribe', romeo.jid);
    b.connection.send($pres({ to: romeo.jid, type: 'subscribed' }));
    b.connection.send($pres({ to: romeo.jid, type: 'subscribe' }));
    await sees(a, '"subscribe"', juliet.jid);
    await a.xmpp.send(xml('presence', { to: juliet.jid, type: 'subscribed' }));
    await sees(b, '<presence', a.jid, 'under the balcony');
    await sees(a, '<presence', b.jid, 'at the window');

    await a.xmpp.send(xml('message', { to: juliet.jid, type: 'chat' }, xml('body', {}, 'But, soft! ☾')));
    await sees(b, '<message', a.jid, 'But, soft! ☾');
    b.connection.send($msg({ to: a.jid, type: 'chat' }).c('body').t('Ay me!'));
    await sees(a, '<message', b.jid, 'Ay me!');

    await a.xmpp.stop();
    await sees(b, 'unavailable', a.jid);
  });

  test(`xmpp.js over ${scheme}:// comes back with its token by SASL2, Bind 2 and FAST`, async () => {
    await comesBack(await makeAccount('token'), service(0), service(1), (end) => open.push(end));
  });

  test(`xmpp.js over ${scheme}:// is refused with a wrong password`, async () => {
    const { name } = await makeAccount('xmppjs');
    assert.match(await failsToLogIn({ service: service(1), domain, username: name, password: 'not it', timeout: patience }),
      /not-authorized/);
  });
}
