// Gives Node 18 (Debian 12) the globals that the client libraries expect; import it before them.
// The cluster's certificate is trusted by way of NODE_EXTRA_CA_CERTS.
import { webcrypto } from 'node:crypto';
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
globalThis.crypto ??= webcrypto;
