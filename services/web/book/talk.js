// The XMPP side of the chat page: one connection, its roster, and what it reports to the page.
// It knows nothing of the document. Everything that came from the network leaves here as plain text.

const { Strophe, $iq, $msg, $pres } = window;

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30000;

/** The address of the WebSocket on the host this page came from. */
function socketAddress() {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
}

/** "romeo" alone means romeo at the domain of this server. */
export function completeJid(name) {
  const isLocal = /^(127\.\d+\.\d+\.\d+|\[::1\]|)$/.test(location.hostname);
  return name.includes('@') ? name : `${name}@${isLocal ? 'localhost' : location.hostname}`;
}

function childText(stanza, name) {
  const child = Array.from(stanza.children).find((element) => element.localName === name);
  return child ? child.textContent : '';
}

/** The defined condition of an error stanza (RFC 6120 section 8.3.3). */
function errorCondition(stanza) {
  const error = Array.from(stanza.children).find((element) => element.localName === 'error');
  return error?.firstElementChild?.localName ?? 'unknown error';
}

/**
 * Events, each a function of `listener`: state(name, reason), chat(from, body), refused(from, condition),
 * presence(from, show, status), asked(jid), answered(jid, isAccepted).
 */
export class Talk {
  constructor(listener) {
    this.listener = listener;
    this.connection = null;
    this.contacts = new Map(); // bare JID -> subscription: none, to, from, both
    this.asked = new Set(); // bare JIDs this page asked for their presence
    this.waiting = new Set(); // bare JIDs that asked and have no answer yet
    this.login = null;
    this.wasOnline = false;
    this.retryMs = FIRST_RETRY_MS;
    this.retryTimer = 0;
    this.presence = { show: 'chat', status: '' };
  }

  isOnline() {
    return Boolean(this.connection?.connected && this.connection.authenticated);
  }

  connect(jid, password) {
    this.login = { jid, password };
    this.wasOnline = false;
    this.retryMs = FIRST_RETRY_MS;
    this.open();
  }

  disconnect() {
    clearTimeout(this.retryTimer);
    this.login = null;
    if (this.connection?.connected) {
      this.connection.disconnect('logged out'); // sends unavailable presence, then closes the stream
    } else {
      this.listener.state('offline', '');
    }
  }

  open() {
    const connection = new Strophe.Connection(socketAddress());
    this.connection = connection;
    this.listener.state('connecting', '');
    connection.connect(this.login.jid, this.login.password, (status, reason) => {
      if (connection === this.connection) {
        this.statusChanged(status, reason);
      }
    });
  }

  statusChanged(status, reason) {
    if (status === Strophe.Status.CONNECTED) {
      this.started();
    } else if (status === Strophe.Status.AUTHFAIL) {
      this.login = null;
      this.listener.state('refused', reason ?? '');
    } else if (status === Strophe.Status.CONNFAIL) {
      this.failure = reason ?? '';
    } else if (status === Strophe.Status.DISCONNECTED) {
      this.ended();
    }
  }

  started() {
    this.wasOnline = true;
    this.retryMs = FIRST_RETRY_MS;
    this.failure = '';
    const on = (handler, ns, name, type) =>
      this.connection.addHandler((stanza) => (handler.call(this, stanza), true), ns, name, type);
    on(this.onMessage, null, 'message', null);
    on(this.onPresence, null, 'presence', null);
    on(this.onPing, 'urn:xmpp:ping', 'iq', 'get');
    on(this.onRosterPush, Strophe.NS.ROSTER, 'iq', 'set');
    on(this.onOtherIq, null, 'iq', ['get', 'set']);
    this.listener.state('online', this.connection.jid);
    // RFC 6121 section 2.2: the roster first, so that presence that follows finds its contacts.
    const announce = () => this.sendPresence();
    this.connection.sendIQ($iq({ type: 'get' }).c('query', { xmlns: Strophe.NS.ROSTER }),
      (result) => { this.takeRoster(result); announce(); }, announce, 10000);
  }

  ended() {
    if (!this.login) {
      this.listener.state('offline', '');
    } else if (!this.wasOnline) {
      this.login = null;
      this.listener.state('unreachable', this.failure);
    } else {
      this.listener.state('lost', this.failure);
      this.retryTimer = setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random() / 2));
      this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
    }
  }

  setPresence(show, status) {
    this.presence = { show, status };
    if (this.isOnline()) {
      this.sendPresence();
    }
  }

  sendPresence() {
    const presence = $pres().c('show').t(this.presence.show).up();
    if (this.presence.status) {
      presence.c('status').t(this.presence.status);
    }
    this.connection.send(presence);
  }

  /** The first message to somebody new also asks to see their presence, and shows them one's own. */
  sendChat(to, body) {
    const bare = Strophe.getBareJidFromJid(to);
    this.connection.send($msg({ to, type: 'chat', id: this.connection.getUniqueId() }).c('body').t(body));
    if (bare === this.ownBareJid()) {
      return;
    }
    this.subscribe(bare);
    if (this.waiting.has(bare)) {
      this.accept(bare);
    }
  }

  ownBareJid() {
    return Strophe.getBareJidFromJid(this.connection.jid);
  }

  seesPresenceOf(bare) {
    return ['to', 'both'].includes(this.contacts.get(bare));
  }

  subscribe(bare) {
    if (!this.seesPresenceOf(bare) && !this.asked.has(bare)) {
      this.asked.add(bare);
      this.connection.send($pres({ to: bare, type: 'subscribe' }));
    }
  }

  accept(bare) {
    this.connection.send($pres({ to: bare, type: 'subscribed' }));
    this.subscribe(bare);
    this.waiting.delete(bare);
    this.listener.answered(bare, true);
  }

  decline(bare) {
    this.connection.send($pres({ to: bare, type: 'unsubscribed' }));
    this.waiting.delete(bare);
    this.listener.answered(bare, false);
  }

  takeRoster(stanza) {
    for (const item of stanza.getElementsByTagName('item')) {
      const jid = item.getAttribute('jid');
      if (item.getAttribute('subscription') === 'remove') {
        this.contacts.delete(jid);
      } else {
        this.contacts.set(jid, item.getAttribute('subscription') ?? 'none');
      }
      if (item.getAttribute('ask') === 'subscribe') {
        this.asked.add(jid);
      }
    }
  }

  onMessage(stanza) {
    const from = stanza.getAttribute('from') ?? this.ownBareJid();
    if (stanza.getAttribute('type') === 'error') {
      this.listener.refused(from, errorCondition(stanza));
      return;
    }
    const body = childText(stanza, 'body');
    if (body) {
      this.listener.chat(from, body);
    }
  }

  onPresence(stanza) {
    const from = stanza.getAttribute('from') ?? this.connection.jid;
    const type = stanza.getAttribute('type');
    if (type === 'subscribe') {
      this.onSubscribe(Strophe.getBareJidFromJid(from));
    } else if (type === 'error') {
      this.listener.refused(from, errorCondition(stanza));
    } else if (!type || type === 'unavailable') {
      const show = type ?? (childText(stanza, 'show') || 'available');
      this.listener.presence(from, show, childText(stanza, 'status'));
    }
  }

  /** Whoever this user asked may ask back; anybody else needs the user's word. */
  onSubscribe(bare) {
    if (this.asked.has(bare) || this.seesPresenceOf(bare)) {
      this.accept(bare);
    } else if (!this.waiting.has(bare)) {
      this.waiting.add(bare);
      this.listener.asked(bare);
    }
  }

  answer(stanza) {
    const attributes = { type: 'result', id: stanza.getAttribute('id') };
    const from = stanza.getAttribute('from');
    this.connection.send($iq(from ? { ...attributes, to: from } : attributes));
  }

  onPing(stanza) {
    this.answer(stanza);
  }

  /** Only the account itself may push its roster (RFC 6121 section 2.1.6). */
  onRosterPush(stanza) {
    const from = stanza.getAttribute('from');
    if (!from || from === this.ownBareJid()) {
      this.takeRoster(stanza);
      this.answer(stanza);
    }
  }

  /** Every request needs an answer (RFC 6120 section 8.2.3), also one this page cannot serve. */
  onOtherIq(stanza) {
    const ns = stanza.firstElementChild?.namespaceURI;
    const type = stanza.getAttribute('type');
    if ((ns === 'urn:xmpp:ping' && type === 'get') || (ns === Strophe.NS.ROSTER && type === 'set')) {
      return;
    }
    const from = stanza.getAttribute('from');
    this.connection.send($iq({ type: 'error', id: stanza.getAttribute('id'), ...(from && { to: from }) })
      .c('error', { type: 'cancel' })
      .c('service-unavailable', { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }));
  }
}
