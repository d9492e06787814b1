// Kills daemons of the cluster, and starts them again.
import { order } from './cluster.mjs';

const killed = new Set();

export async function kill(name) {
  killed.add(name);
  await order('kill', name);
}

export async function start(name) {
  await order('start', name);
  killed.delete(name);
}

export async function restart(name) {
  await kill(name);
  await start(name);
}

/** For the tests that come after one that failed. */
export async function startKilled() {
  for (const name of killed) {
    await start(name);
  }
}
