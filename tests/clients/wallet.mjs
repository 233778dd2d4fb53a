// A page in Chromium with a wallet, on a node that wants a login. The page signs in (EIP-4361) with the wallet's `personal_sign`,
// hands the wallet a URL with the token in its path (`wallet_addEthereumChain`), and talks EIP-1193 from then on.
// node wallet.mjs '{"chromium","profile","node","ws","reader","sender","stranger"}'
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { createPublicClient, createWalletClient, defineChain, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const want = JSON.parse(process.argv[2]);
const LIMIT = 60_000;

/** Keeps one key; whatever it does not sign goes to the node of the chain it was given, as it is. */
class Wallet {
  constructor(key) {
    this.account = privateKeyToAccount(key);
  }

  /** Answers with `{ result }` or `{ error }`. */
  async request({ method, params = [] }) {
    try {
      return { result: await this.#answer(method, params) };
    } catch (error) {
      const cause = error.walk ? (error.walk((inner) => typeof inner.code === "number") ?? error) : error;
      return { error: { code: cause.code ?? -32603, message: cause.message, data: cause.data } };
    }
  }

  async #answer(method, params) {
    switch (method) {
      case "eth_requestAccounts":
      case "eth_accounts":
        return [this.account.address];
      case "personal_sign":
        assert.equal(params[1].toLowerCase(), this.account.address.toLowerCase(), "another's signature is wanted");
        return this.account.signMessage({ message: { raw: params[0] } });
      case "eth_signTypedData_v4":
        return this.account.signTypedData(JSON.parse(params[1]));
      case "wallet_addEthereumChain": {
        const [{ chainId, chainName, nativeCurrency, rpcUrls }] = params;
        this.url = rpcUrls[0];
        // What MetaMask asks before it believes.
        assert.equal(await this.#ask("eth_chainId", []), chainId);
        const rpcs = { default: { http: rpcUrls } };
        this.chain = defineChain({ id: Number(chainId), name: chainName, nativeCurrency, rpcUrls: rpcs });
        return null;
      }
      case "eth_sendTransaction": {
        const [{ to, data, value }] = params;
        const client = createWalletClient({ account: this.account, chain: this.chain, transport: http(this.url) });
        return client.sendTransaction({ to, data, value: value && BigInt(value) });
      }
      default:
        return this.#ask(method, params);
    }
  }

  async #ask(method, params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await response.json();
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  }
}

/** In the page before its own scripts: the wallet as pages see it. */
function inject() {
  window.ethereum = {
    async request(call) {
      const { result, error } = await window.__wallet(JSON.parse(JSON.stringify(call)));
      if (error) throw Object.assign(new Error(error.message), error);
      return result;
    },
  };
}

/** In the page: signs in; returns the session. */
async function signIn(node) {
  const post = async (path, body) => {
    const response = await fetch(node + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return response.json();
  };
  const [address] = await window.ethereum.request({ method: "eth_requestAccounts" });
  const { message, chainId } = await post("/auth/challenge", { address });
  const hex = "0x" + [...new TextEncoder().encode(message)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const signature = await window.ethereum.request({ method: "personal_sign", params: [hex, address] });
  const session = await post("/auth/login", { message, signature });
  return { ...session, message, chainId };
}

/** In the page: a request, and what came of it. */
async function ask([method, params]) {
  return window.ethereum.request({ method, params }).then(
    (result) => ({ result }),
    ({ code, message, data }) => ({ error: { code, message, data } }),
  );
}

/** In the page: the first head over a WebSocket with the token in its path. */
function firstHead([url]) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
    socket.onerror = () => reject(new Error("the WebSocket fails"));
    socket.onmessage = ({ data }) => {
      const { error, params } = JSON.parse(data);
      if (error) reject(new Error(data));
      if (params) socket.close(), resolve(params.result);
    };
  });
}

/** In the page: what the listener says to a body without a wallet in between. */
async function bare([url]) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  return { status: response.status, body: await response.json() };
}

const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>story</title>"));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launchPersistentContext(want.profile, {
  executablePath: want.chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let wallet;
await browser.exposeFunction("__wallet", (call) => wallet.request(call));
await browser.addInitScript(inject);
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(LIMIT);
await page.goto(`http://127.0.0.1:${server.address().port}/`);

/** Signs in with `key` and gives the wallet the chain. */
const enter = async (key) => {
  wallet = new Wallet(key);
  const session = await page.evaluate(signIn, want.node);
  assert.match(session.path ?? JSON.stringify(session), /^\/k\/\S{20,}$/);
  assert.ok(session.message.includes(wallet.account.address), "the message names the account");
  const added = await page.evaluate(ask, ["wallet_addEthereumChain", [{
    chainId: `0x${Number(session.chainId).toString(16)}`,
    chainName: "Aurum",
    nativeCurrency: { name: "Aurum", symbol: "AUR", decimals: 18 },
    rpcUrls: [want.node + session.path],
  }]]);
  return { ...session, added };
};
const request = (method, ...params) => page.evaluate(ask, [method, params]);
const result = async (method, ...params) => {
  const answer = await request(method, ...params);
  assert.equal(answer.error, undefined, `${method}: ${JSON.stringify(answer.error)}`);
  return answer.result;
};
const mined = async (hash) => {
  const client = createPublicClient({ chain: wallet.chain, transport: http(wallet.url), pollingInterval: 200 });
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: LIMIT });
  assert.equal(receipt.status, "success");
  return result("eth_getTransactionReceipt", hash);
};

try {
  // Nobody, and somebody with a made-up token.
  for (const [url, reason] of [[want.node, "LOGIN_REQUIRED"], [`${want.node}/k/${"a".repeat(43)}`, "TOKEN_UNKNOWN"]]) {
    const { status, body } = await page.evaluate(bare, [url]);
    assert.deepEqual([status, body.error.code, body.error.data.reason], [401, -40100, reason]);
  }

  // A reader reads everything a page asks for, and sends nothing.
  const session = await enter(want.reader);
  assert.equal(session.added.error, undefined, JSON.stringify(session.added));
  const reads = [
    ["eth_chainId"], ["net_version"], ["eth_blockNumber"], ["eth_getBlockByNumber", "latest", true], ["eth_gasPrice"],
    ["eth_getBalance", wallet.account.address, "latest"], ["eth_getTransactionCount", wallet.account.address, "pending"],
    ["eth_feeHistory", "0x4", "latest", [50]], ["eth_getLogs", { fromBlock: "0x0" }], ["web3_clientVersion"],
    ["eth_call", { to: wallet.account.address }, "latest"], ["eth_estimateGas", { from: want.sender && wallet.account.address, to: wallet.account.address }],
    ["eth_getProof", wallet.account.address, [], "latest"],
  ];
  for (const [method, ...params] of reads) assert.notEqual(await result(method, ...params), undefined);
  const head = await page.evaluate(firstHead, [want.ws + session.path]);
  assert.match(head.hash, /^0x[0-9a-f]{64}$/);
  const refused = await request("eth_sendTransaction", { to: wallet.account.address, data: "0x" });
  assert.equal(refused.error?.code, -32010, JSON.stringify(refused));

  // Who may send, sends: a call and a creation.
  await enter(want.sender);
  const sent = [];
  sent.push(await mined(await result("eth_sendTransaction", { to: wallet.account.address, value: "0x0" })));
  sent.push(await mined(await result("eth_sendTransaction", { data: "0x60015ff3" })));
  assert.equal(await result("eth_getCode", sent[1].contractAddress, "latest"), "0x00");
  const typed = { domain: { name: "Aurum" }, primaryType: "Note", types: { Note: [{ name: "text", type: "string" }] }, message: { text: "words" } };
  assert.match(await result("eth_signTypedData_v4", wallet.account.address, JSON.stringify(typed)), /^0x[0-9a-f]{130}$/);

  // An account that may not read logs in and is told so; its wallet does not take the chain.
  const { added } = await enter(want.stranger);
  assert.deepEqual([added.error?.code, added.error?.data?.reason], [-40100, "READ_DENIED"], JSON.stringify(added));

  // After the logout the path is worth nothing.
  const leaving = await enter(want.reader);
  const left = await fetch(`${want.node}/auth/logout`, { method: "POST", headers: { authorization: `Bearer ${leaving.token}` } });
  assert.deepEqual(await left.json(), { loggedOut: true });
  const late = await request("eth_blockNumber");
  assert.equal(late.error?.code, -40100, JSON.stringify(late));
  console.log(JSON.stringify({ reads: reads.length, sent: sent.length, head: head.number, late: late.error.data.reason }));
} finally {
  await browser.close();
  server.close();
}
