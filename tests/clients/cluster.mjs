// What the client tests know of the cluster they talk to. Everything comes from the environment
// (deploy/cluster sets it), so that the same tests also run against another XMPP server when one
// wants to know what is usual:
//   CLUSTER_WS      ws:// addresses, comma separated: one per edge (which serves the pages too)
//   CLUSTER_WSS     wss:// addresses, the same way; NODE_EXTRA_CA_CERTS names the certificate to trust
//   CLUSTER_TCP     host:port of each c2s, the same way: STARTTLS
//   CLUSTER_TLS     host:port of each c2s: TLS from the first byte
//   CLUSTER_CTL     the operator's command with its options as shell text, to make accounts
//   CLUSTER_CONTROL the Unix socket on which the cluster takes orders: deploy/cluster/control.py
//   CLUSTER_AUTHORITY  the folder of who vouches for users without a password, to make tokens
//   CLUSTER_DOMAIN  the domain, localhost when not given

import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

const run = promisify(execFile);
const list = (name) => (process.env[name] ?? '').split(',').filter(Boolean);

export const domain = process.env.CLUSTER_DOMAIN ?? 'localhost';
export const plain = list('CLUSTER_WS');
export const secure = list('CLUSTER_WSS');
export const starttls = list('CLUSTER_TCP');
export const direct = list('CLUSTER_TLS');

/** Milliseconds for anything that is due: the machine may be busy. */
export const patience = 30000;

if (plain.length === 0) {
  throw new Error('CLUSTER_WS is not set: start these tests with tests/run.sh clients');
}

/** The n-th edge, counted round: tests that use n = 0, 1, 2 … spread over all of them. */
export const edge = (addresses, n) => addresses[n % addresses.length];
export const page = (n) => edge(plain, n).replace(/^ws/, 'http').replace(/\/[^/]*$/, '');

/** Makes an account with a name nobody has yet; returns { name, jid, password }. */
export async function makeAccount(stem, password = `pass word ${stem} é`) {
  const name = `${stem}-${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`;
  const account = { name, jid: `${name}@${domain}`, password };
  const adding = run('bash', ['-c', `${process.env.CLUSTER_CTL} user add "$0"`, account.jid]);
  adding.child.stdin.end(`${account.password}\n`);
  await adding;
  return account;
}

/** A token of the cluster's identity provider (tests/scenario/play/authority.py). */
export async function makeToken(claims) {
  const maker = new URL('../scenario/play/authority.py', import.meta.url).pathname;
  const { stdout } = await run('python3', [maker, process.env.CLUSTER_AUTHORITY, JSON.stringify(claims)]);
  return stdout.trim();
}

/** Waits until `look()` gives something true and returns it. */
export async function until(what, look, ms = patience) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${ms} ms for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Orders the cluster to kill, stop or start a daemon (control.py); gives the answer when it is done. */
export async function order(...words) {
  const socket = connect(process.env.CLUSTER_CONTROL);
  socket.write(`${words.join(' ')}\n`);
  const answer = (await text(socket)).trim();
  if (!/^ok( |$)/.test(answer)) {
    throw new Error(`the cluster on ${words.join(' ')}: ${answer}`);
  }
  return answer.slice(3);
}
