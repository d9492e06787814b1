// The chat page: its controls on one side, Talk (talk.js) on the other.
// What strangers send is only ever put into the page as text, never as markup.

import { Talk, completeJid } from './talk.js';

const MAX_LINES = 500;
const byId = (id) => document.getElementById(id);
const output = byId('output');
const connectButton = byId('connectButton');

const STATES = {
  offline: { dot: 'offline', text: 'offline', button: 'Connect', line: 'disconnected' },
  connecting: { dot: 'busy', text: 'connecting …', button: 'Cancel' },
  online: { dot: 'online', text: 'online', button: 'Disconnect', line: 'connected', look: 'good' },
  refused: {
    dot: 'offline', text: 'not logged in', button: 'Connect', look: 'bad',
    line: 'not logged in: the user name or the password is wrong',
  },
  unreachable: {
    dot: 'offline', text: 'offline', button: 'Connect', look: 'bad',
    line: 'no connection: the server did not answer or refused the stream',
  },
  lost: { dot: 'busy', text: 'connection lost, trying again …', button: 'Cancel', line: 'disconnected, trying again', look: 'bad' },
};

let state = 'offline';

function log(text, look = '') {
  const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  const line = document.createElement('p');
  line.className = look;
  line.textContent = text;
  output.append(line);
  while (output.childElementCount > MAX_LINES) {
    output.firstElementChild.remove();
  }
  if (isAtEnd) {
    output.scrollTop = output.scrollHeight;
  }
  return line;
}

function showState(name, detail) {
  const previous = state;
  const look = STATES[name];
  state = name;
  byId('state').textContent = name === 'online' ? detail : look.text;
  byId('state').dataset.state = look.dot;
  connectButton.textContent = look.button;
  for (const area of ['presenceArea', 'chatArea']) {
    byId(area).querySelector('fieldset').disabled = name !== 'online';
  }
  const isFree = look.button === 'Connect';
  byId('username').disabled = !isFree;
  byId('password').disabled = !isFree;
  // A refused login closes its stream right after; that is no news.
  const isSaid = name === 'offline' && previous === 'refused';
  if (look.line && previous !== name && !isSaid) {
    const reason = name !== 'online' && detail ? ` (${detail})` : '';
    log(look.line + reason, look.look);
  }
  if (isSaid) {
    state = 'refused';
    byId('state').textContent = STATES.refused.text;
  }
}

function ask(talk, jid) {
  const line = log(`${jid} asks to see your presence.`, 'ask');
  line.dataset.asks = jid;
  const answers = document.createElement('span');
  for (const [label, action] of [['Accept', 'accept'], ['Decline', 'decline']]) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = label;
    button.setAttribute('aria-label', `${label} ${jid}`);
    button.addEventListener('click', () => talk[action](jid));
    answers.append(button);
  }
  line.append(answers);
}

function answered(jid, isAccepted) {
  const line = Array.from(output.children).find((each) => each.dataset.asks === jid);
  if (line) {
    delete line.dataset.asks;
    line.textContent = `${jid} ${isAccepted ? 'may' : 'may not'} see your presence.`;
  }
}

const listener = {
  state: showState,
  chat: (from, body) => log(`${from}: ${body}`, 'chat'),
  refused: (from, condition) => log(`${from} could not be reached: ${condition}`, 'bad'),
  presence: (from, show, status) =>
    log(`[presence] ${from}: ${status ? `${status} ` : ''}${show}`, 'presence'),
  asked: (jid) => ask(talk, jid),
  answered,
};

const talk = new Talk(listener);

function sayPresence() {
  talk.setPresence(byId('show').value, byId('status').value.trim());
}

function start() {
  const on = (id, type, action) => byId(id).addEventListener(type, (event) => {
    event.preventDefault();
    action();
  });
  on('loginArea', 'submit', () => {
    if (STATES[state].button === 'Connect') {
      talk.presence = { show: byId('show').value, status: byId('status').value.trim() };
      talk.connect(completeJid(byId('username').value.trim()), byId('password').value);
    } else {
      talk.disconnect();
    }
  });
  on('show', 'change', () => sayPresence());
  on('presenceArea', 'submit', () => sayPresence());
  on('chatArea', 'submit', () => {
    const to = completeJid(byId('to').value.trim());
    const body = byId('body').value;
    talk.sendChat(to, body);
    log(`to ${to}: ${body}`, 'sent');
    byId('body').value = '';
    byId('body').focus();
  });
  window.addEventListener('pagehide', () => talk.disconnect());
}

if (window.Strophe) {
  start();
} else {
  connectButton.disabled = true;
  log('The chat library is missing: run deploy/setup.sh on the server, then load this page again.', 'bad');
}
