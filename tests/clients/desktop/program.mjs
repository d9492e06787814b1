// The programs of client libraries that obey lines (desktop.py says which), for tests in Node.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from '../cluster.mjs';

export const slixmpp = ['/usr/bin/python3', fileURLToPath(new URL('slixmpp_program.py', import.meta.url))];

export class Program {
  static async logIn(argv, { jid, password }, address, way) {
    const program = new Program();
    const at = address.lastIndexOf(':');
    program.seen = [];
    program.child = spawn(argv[0], [...argv.slice(1), jid, password, address.slice(0, at), address.slice(at + 1),
      way, process.env.NODE_EXTRA_CA_CERTS], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: program.child.stdout }).on('line', (line) => program.seen.push(line));
    const online = await program.sees(/^online /);
    program.jid = online.split(' ')[1];
    return program;
  }

  async sees(line) {
    try {
      return await until(`the line ${line}`, () => this.seen.find((one) => line.test(one)));
    } catch (error) {
      throw new Error(`${error.message}; the desktop client saw\n${this.seen.join('\n')}`);
    }
  }

  order(...words) {
    this.child.stdin.write(`${words.join(' ')}\n`);
  }

  end() {
    this.child.kill('SIGKILL');
  }
}
