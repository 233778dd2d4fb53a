// A person with a wallet crosses the bridge in Chromium and comes back, touching only what can be seen.
// node browser.mjs '{"chromium","page","width","height","amount","back","profile","shots","key","chains":{"0x539":rpc,…},"start":"0x7ea"}'
//
// The wallet lives in this process: the page sees an EIP-1193 provider, announced by EIP-6963, and every request it makes
// comes here, where a real key signs. It begins on the wrong network.
import { mkdirSync } from "node:fs";
import { JsonRpcProvider, Wallet, toBeHex } from "ethers";
import { chromium } from "playwright-core";

const want = JSON.parse(process.argv[2]);
const LIMIT = 90_000;
mkdirSync(want.shots, { recursive: true });

const expect = (holds, what) => {
  if (!holds) throw new Error(what);
};

/** Signs for one account on the chains it knows, as a person who accepts everything would. */
class Purse {
  constructor(key, chains, start) {
    this.chains = new Map(Object.entries(chains).map(([id, rpc]) => [id, this.#open(key, rpc)]));
    this.key = key;
    this.current = start;
    this.address = new Wallet(key).address;
    this.asked = [];
    this.sent = 0;
  }

  #open(key, rpc) {
    const provider = new JsonRpcProvider(rpc, undefined, { pollingInterval: 250 });
    return { provider, wallet: new Wallet(key, provider) };
  }

  /** Answers with `{ result, events }` or `{ error }`. */
  async request({ method, params = [] }) {
    this.asked.push(method);
    try {
      const events = [];
      const result = await this.#answer(method, params, events);
      return { result, events };
    } catch (error) {
      const inner = error.info?.error ?? error.error ?? error;
      return { error: { code: typeof inner.code === "number" ? inner.code : -32603, message: inner.message, data: inner.data } };
    }
  }

  async #answer(method, params, events) {
    const { provider, wallet } = this.chains.get(this.current);
    switch (method) {
      case "eth_requestAccounts":
      case "eth_accounts":
        return [this.address];
      case "eth_chainId":
        return this.current;
      case "net_version":
        return String(Number(this.current));
      case "wallet_switchEthereumChain": {
        const id = toBeHex(Number(params[0].chainId)).replace(/^0x0+/, "0x");
        if (!this.chains.has(id)) throw Object.assign(new Error("Unrecognized chain"), { code: 4902 });
        this.current = id;
        events.push(["chainChanged", id]);
        return null;
      }
      case "wallet_addEthereumChain": {
        const [{ chainId, rpcUrls }] = params;
        if (!this.chains.has(chainId)) this.chains.set(chainId, this.#open(this.key, rpcUrls[0]));
        this.current = chainId;
        events.push(["chainChanged", chainId]);
        return null;
      }
      case "wallet_watchAsset":
        return true;
      case "eth_sendTransaction": {
        const { from, gas, ...rest } = params[0];
        expect(from.toLowerCase() === this.address.toLowerCase(), `the page sends from ${from}`);
        this.sent += 1;
        const response = await wallet.sendTransaction({ ...rest, ...(gas ? { gasLimit: gas } : {}) });
        return response.hash;
      }
      default:
        return provider.send(method, params);
    }
  }

  close() {
    for (const { provider } of this.chains.values()) provider.destroy();
  }
}

/** Runs in the page before its own scripts. */
function inject() {
  const listeners = new Map();
  const wallet = {
    isAurumStory: true,
    async request(call) {
      const { result, error, events } = await window.__purse(JSON.parse(JSON.stringify(call)));
      if (error) throw Object.assign(new Error(error.message), error);
      for (const [name, value] of events) for (const listener of listeners.get(name) ?? []) listener(value);
      return result;
    },
    on(name, listener) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener]);
      return wallet;
    },
    removeListener(name, listener) {
      listeners.set(name, (listeners.get(name) ?? []).filter((other) => other !== listener));
      return wallet;
    },
  };
  window.ethereum = wallet;
  const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
  const info = { uuid: "5a6bd1c6-8d1f-4d5c-9c3e-4a7f5a0f1d11", name: "Story Wallet", icon, rdns: "example.story" };
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider: wallet }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
}

const purse = new Purse(want.key, want.chains, want.start);
const browser = await chromium.launchPersistentContext(want.profile, {
  executablePath: want.chromium,
  headless: true,
  viewport: { width: want.width, height: want.height },
  hasTouch: want.width < 600,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(LIMIT);
const complaints = [];
const elsewhere = [];
const origin = new URL(want.page).origin;
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(origin) && !url.startsWith("data:")) elsewhere.push(url);
});
await browser.exposeFunction("__purse", (call) => purse.request(call));
await browser.addInitScript(inject);

let shot = 0;
const picture = async (name) => {
  shot += 1;
  await page.screenshot({ path: `${want.shots}/${want.width}-${shot}-${name}.png`, fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide <= want.width, `the page "${name}" is ${wide} pixels wide on a screen of ${want.width}`);
};
const text = async (selector) => (await page.locator(selector).first().textContent())?.trim() ?? "";

/** Connects the wallet unless the page remembers it. */
async function connect() {
  const account = page.locator("#account");
  const connected = () => page.waitForFunction(() => /0x/i.test(document.querySelector("#account")?.textContent ?? ""));
  if (!/0x/i.test((await account.textContent()) ?? "")) {
    await page.click("#connect");
    const choice = page.locator("#wallets button:visible").first();
    await Promise.race([choice.waitFor().then(() => choice.click()), connected()]);
  }
  await connected();
  expect((await account.textContent()).toLowerCase().includes(purse.address.slice(2, 6).toLowerCase()), "another account is shown");
}

/** Fills the form in and follows the transfer to its end. Returns the seconds from the click, and the transactions named. */
async function cross(from, amount) {
  await page.locator("#network-notice").waitFor({ state: "visible" });
  await picture(`${from}-wrong-network`);
  await page.click("#switch-network");
  await page.locator("#network-notice").waitFor({ state: "hidden" });

  await page.fill("#amount", amount);
  await page.waitForFunction((typed) => (document.querySelector("#receives")?.textContent ?? "").includes(typed), amount);
  await page.waitForFunction(() => !document.querySelector("#submit").disabled);
  await picture(`${from}-filled-in`);
  const started = Date.now();
  await page.click("#submit");

  await page.waitForURL(new RegExp(`/transfer/${from}/0x[0-9a-f]{64}`));
  await page.locator("li[data-step=deposited]").waitFor();
  await picture(`${from}-on-its-way`);
  await page.reload();
  await page.locator("li[data-step=executed][data-state=done]").waitFor();
  const seconds = (Date.now() - started) / 1000;
  for (const step of ["deposited", "final", "attested", "executed"]) {
    await page.locator(`li[data-step=${step}][data-state=done]`).waitFor();
  }
  expect((await text("section.transfer h2")).includes("Arrived"), "the page does not say that it arrived");
  const links = await page.locator("dl.links code").allTextContents();
  expect(new Set(links).size === 2, `the page names ${links.length} transactions`);
  await picture(`${from}-done`);
  return { seconds, links };
}

try {
  await page.goto(want.page);
  await picture("arrived");
  await connect();
  const there = await cross("foreign", want.amount);

  await page.click('nav a[href="/"]');
  await page.click("#direction");
  await connect();
  const back = await cross("home", want.back);

  await page.click('nav a[href="/status"]');
  await page.locator("h1").waitFor();
  await picture("status");
  expect(elsewhere.length === 0, `the page asked elsewhere: ${elsewhere}`);
  expect(complaints.length === 0, `the browser complains: ${complaints.join("; ")}`);
  console.log(JSON.stringify({ there, back, address: purse.address, sent: purse.sent, shots: shot }));
} catch (error) {
  await page.screenshot({ path: `${want.shots}/${want.width}-failed.png`, fullPage: true }).catch(() => {});
  console.error(`at ${page.url()}: ${error.stack}`);
  console.error(`the wallet was asked: ${purse.asked.join(" ")}`);
  console.error(`the browser complained: ${complaints.join("; ")}`);
  console.error(await page.locator("body").innerText().catch(() => ""));
  process.exitCode = 1;
} finally {
  await browser.close();
  purse.close();
}
