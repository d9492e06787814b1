// The chat page of services/web/book in real Chromium, with the words its tests need.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { page as pageOf, until } from './cluster.mjs';

const shots = process.env.CLUSTER_SHOTS ?? '';
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const startBrowser = () => chromium.launch({
  executablePath: process.env.CLUSTER_CHROMIUM ?? '/usr/bin/chromium', args: flags });

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The log line for a message of `jid`, whatever its resource. */
export const chatLine = (jid, body) => new RegExp(`^${quoted(jid)}(/[^:]*)?: ${quoted(body)}$`);
/** The log line for presence of `jid`: status, if any, and show. */
export const presenceLine = (jid, text) => new RegExp(`^\\[presence\\] ${quoted(jid)}/[^:]*: ${quoted(text)}$`);

/** Somebody with a browser profile of their own, looking at the page of the n-th edge. */
export class Visitor {
  static async come(browser, n, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 740 }, ...options });
    const visitor = new Visitor();
    visitor.address = pageOf(n);
    visitor.errors = []; // what the page complained of
    visitor.page = await context.newPage();
    visitor.page.on('pageerror', (error) => visitor.errors.push(String(error)));
    visitor.page.on('console', (message) => message.type() === 'error' && visitor.errors.push(message.text()));
    await visitor.page.goto(`${visitor.address}/book/`);
    return visitor;
  }

  lines() {
    return this.page.locator('#output p').allTextContents();
  }

  /** Waits until the page logged `line`, a text or a pattern. */
  async sees(line) {
    const isIt = (text) => (line instanceof RegExp ? line.test(text) : text === line);
    try {
      return await until(`the line ${line}`, async () => (await this.lines()).find(isIt));
    } catch (error) {
      throw new Error(`${error.message}; the page says:\n${(await this.lines()).join('\n')}`);
    }
  }

  async enter(jid, password) {
    await this.page.fill('#username', jid);
    await this.page.fill('#password', password);
    await this.page.click('#connectButton');
  }

  async logIn({ jid, password }) {
    await this.enter(jid, password);
    await this.sees('connected');
  }

  async send(to, body) {
    await this.page.getByPlaceholder('user@server').fill(to);
    await this.page.getByPlaceholder('chat body').fill(body);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  async say(status) {
    await this.page.locator('#presenceArea input').fill(status);
    await this.page.locator('#presenceArea button').click();
  }

  async show(label) {
    await this.page.locator('#presenceArea select').selectOption({ label });
  }

  async shot(name) {
    if (shots) {
      mkdirSync(shots, { recursive: true });
      await this.page.screenshot({ path: join(shots, `${name}.png`) });
    }
  }
}
