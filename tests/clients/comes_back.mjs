// xmpp.js logs in by SASL2 (XEP-0388) with Bind 2 (XEP-0386), gets a token (XEP-0484), and comes back with it.
import assert from 'node:assert/strict';
import './globals.mjs';
import { client, xml } from './xmpp.mjs';
import { domain, patience } from './cluster.mjs';

const userAgent = xml('user-agent', { id: 'd4565fa7-4d72-4749-b3d3-740edbf87770' });

/** Everything that was sent and received from <authenticate/> on, and the JID that was bound. */
async function logIn(service, account, credentials, onEnd) {
  const xmpp = client({
    service, domain, timeout: patience, username: account.name, resource: 'xmppjs', userAgent,
    credentials: async (authenticate, mechanisms, fast) =>
      authenticate({ username: account.name, ...(await credentials(fast)) }, mechanisms[0], userAgent),
  });
  const said = [];
  let token;
  xmpp.fast.saveToken = async (given) => { token = given; };
  xmpp.reconnect.stop();
  xmpp.on('error', () => {});
  xmpp.on('send', (element) => said.push(['out', element]));
  xmpp.on('nonza', (element) => said.push(['in', element]));
  onEnd(() => xmpp.stop());
  const jid = (await xmpp.start()).toString();
  const pong = await xmpp.iqCaller.get(xml('ping', 'urn:xmpp:ping'), domain, patience);
  const from = said.findIndex(([, element]) => element.is('authenticate'));
  const to = said.findIndex(([, element]) => element.is('success'));
  assert.ok(from >= 0 && to > from, `no SASL2: ${said.map(([, element]) => element.name)}`);
  await xmpp.stop();
  return { jid, token, pong, flights: said.slice(from, to + 1).map(([way, { name }]) => `${way} ${name}`) };
}

export async function comesBack(account, first, second, onEnd) {
  const once = await logIn(first, account, async () => ({ password: account.password }), onEnd);
  assert.equal(once.jid.split('/').slice(0, 2).join('/'), `${account.jid}/xmppjs`);
  assert.equal(once.token.mechanism, 'HT-SHA-256-NONE');
  assert.ok(new Date(once.token.expiry) > new Date());

  // With nothing but the token, at another edge: one element there, one back, and the session is bound.
  const again = await logIn(second, account, async () => ({ password: 'not it', token: once.token }), onEnd);
  assert.deepEqual(again.flights, ['out authenticate', 'in success']);
  assert.equal(again.jid, once.jid);
}
