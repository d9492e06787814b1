// Gives Node 18 the WebSocket that xmpp.js expects to find in the global scope; import it first.
// The cluster's certificate is trusted by way of NODE_EXTRA_CA_CERTS, which Strophe.js needs too.
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
