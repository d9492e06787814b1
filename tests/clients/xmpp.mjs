// xmpp.js for these tests. It listens for the server's header only after its own was written: a server that
// answers before that is not heard, and the client waits for ever. Here it does not wait for the writing.
import { client as original, jid, xml } from '@xmpp/client';

export { jid, xml };

export function client(options) {
  const xmpp = original(options);
  const write = xmpp.write.bind(xmpp);
  xmpp.write = async (text) => {
    write(text).catch((error) => xmpp.emit('error', error));
  };
  return xmpp;
}
