// The person's wallet: found by EIP-6963, or window.ethereum; spoken to by EIP-1193.

import { sentence } from "./api.js";

const REMEMBERED = "aurum-wallet";
const announced = new Map();
const listeners = new Set();

/** What is known now: provider, account and chain id (hexadecimal), each null until connected. */
export const wallet = { provider: null, account: null, chainId: null };

/** Begins to look for wallets, and takes up a connection the person allowed before, without asking. */
export async function discover() {
  addEventListener("eip6963:announceProvider", ({ detail }) => {
    if (detail?.info?.uuid && detail.provider) announced.set(detail.info.uuid, detail);
  });
  dispatchEvent(new Event("eip6963:requestProvider"));
  await new Promise((done) => setTimeout(done, 50));
  const remembered = recall();
  const known = choices().find(({ info }) => info.rdns === remembered);
  if (!known) return;
  const accounts = await known.provider.request({ method: "eth_accounts" }).catch(() => []);
  if (accounts.length) await use(known, accounts);
}

/** Wallets to choose from: `{info: {name, icon, rdns}, provider}`. */
export function choices() {
  if (announced.size) return [...announced.values()];
  if (window.ethereum) return [{ info: { name: "Browser wallet", icon: null, rdns: "window.ethereum" }, provider: window.ethereum }];
  return [];
}

/** Asks the person to connect this wallet. */
export async function connect(choice) {
  const accounts = await choice.provider.request({ method: "eth_requestAccounts" });
  if (!accounts?.length) throw new Error("The wallet shared no account.");
  await use(choice, accounts);
}

/** Calls back whenever account or chain change. */
export function onChange(listener) {
  listeners.add(listener);
}

async function use({ info, provider }, accounts) {
  if (wallet.provider !== provider) {
    provider.on?.("accountsChanged", (changed) => update({ account: changed[0] ?? null }));
    provider.on?.("chainChanged", (chainId) => update({ chainId: hex(chainId) }));
    provider.on?.("disconnect", () => update({ account: null }));
  }
  remember(info.rdns);
  const chainId = await provider.request({ method: "eth_chainId" });
  wallet.provider = provider;
  update({ account: accounts[0], chainId: hex(chainId) });
}

function update(changed) {
  Object.assign(wallet, changed);
  for (const listener of listeners) listener();
}

const hex = (id) => `0x${BigInt(id).toString(16)}`;

/** Asks the wallet to change to `chain` of /api/v1/config, and to learn of it if it does not know it. */
export async function switchTo(chain) {
  const request = { method: "wallet_switchEthereumChain", params: [{ chainId: chain.chainIdHex }] };
  try {
    await wallet.provider.request(request);
  } catch (error) {
    if (!codes(error).includes(4902)) throw error;
    await addChain(chain);
    await wallet.provider.request(request);
  }
  update({ chainId: hex(await wallet.provider.request({ method: "eth_chainId" })) });
}

/** Offers the wallet a chain. */
export function addChain({ chainIdHex, name, currency, rpcUrl }) {
  const chain = { chainId: chainIdHex, chainName: name, nativeCurrency: currency, rpcUrls: [rpcUrl] };
  return wallet.provider.request({ method: "wallet_addEthereumChain", params: [chain] });
}

/** Offers the wallet a token of the chain it is on. */
export function watchToken(address, { symbol, decimals }) {
  const token = { type: "ERC20", options: { address, symbol, decimals } };
  return wallet.provider.request({ method: "wallet_watchAsset", params: token });
}

/** Has a transaction prepared by the server signed and sent; answers its hash. */
export async function send({ chainId, to, data, value }) {
  const current = hex(await wallet.provider.request({ method: "eth_chainId" }));
  if (current !== chainId) throw new Error("The wallet is on another network. Switch it and try again.");
  const transaction = { from: wallet.account, to, data, value };
  return wallet.provider.request({ method: "eth_sendTransaction", params: [transaction] });
}

/** What went wrong, for people. */
export function explain(error) {
  const all = codes(error);
  if (all.includes(4001) || all.includes("ACTION_REJECTED")) return "You declined in the wallet. Nothing was sent.";
  if (all.includes(-32010)) return refused(error);
  if (all.includes(-32002)) return "The wallet already shows a request. Open it and answer there.";
  if (all.includes(4100)) return "The wallet has not allowed this page to use the account. Connect again.";
  if (all.includes(4200)) return "The wallet cannot do this.";
  if (all.includes(4900) || all.includes(4901)) return "The wallet is not connected to its network.";
  return sentence(error?.shortMessage ?? error?.message ?? "The wallet refused, without saying why");
}

/** −32010: the chain does not permit the transaction; `data` says which right is missing. */
function refused(error) {
  const inner = layers(error).find(({ code }) => code === -32010) ?? error;
  const { needed, have } = inner.data ?? {};
  const rights = Array.isArray(have) && have.length ? have.join(", ") : "none";
  const detail = needed ? ` The account needs the right “${needed}”; it has: ${rights}.` : "";
  return `The network refused: ${sentence(inner.message ?? "Transaction is not permitted")}${detail} The administrators of the consortium grant rights.`;
}

/** Wallets wrap errors of nodes in errors of their own, each in its own way. */
function layers(error) {
  const found = [];
  const queue = [error];
  while (queue.length && found.length < 20) {
    const next = queue.shift();
    if (!next || typeof next !== "object" || found.includes(next)) continue;
    found.push(next);
    queue.push(next.data?.originalError, next.data?.cause, next.data, next.error, next.cause, next.info?.error);
  }
  return found;
}

const codes = (error) => layers(error).map(({ code }) => code);

function remember(rdns) {
  try {
    localStorage.setItem(REMEMBERED, rdns);
  } catch {
    // Storage is off: the person connects again after a reload.
  }
}

function recall() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}
