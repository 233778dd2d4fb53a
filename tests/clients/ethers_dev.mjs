// ethers 6 behind an EIP-1193 provider, as a page with a wallet uses it, and what a node tells over WebSocket without being asked.
// node ethers_dev.mjs RPC WS
import assert from "node:assert/strict";
import { AbiCoder, BrowserProvider, ContractFactory, WebSocketProvider, isError, parseEther, verifyMessage, verifyTypedData } from "ethers";
import { compile } from "./compile.mjs";
import { Chain } from "./history.mjs";

const [rpc, ws] = process.argv.slice(2);
const chain = new Chain(rpc);
const LIMIT = 30_000;

// The least that a wallet is: requests go to the node, errors come back as objects with code and data.
const wallet = {
  async request({ method, params }) {
    if (method === "eth_requestAccounts") return chain.result("eth_accounts");
    const { result, error } = await chain.ask(method, params);
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  },
};
const provider = new BrowserProvider(wallet, undefined, { cacheTimeout: -1 });
provider.pollingInterval = 100;
const signer = await provider.getSigner();
const friend = await (await provider.getSigner(1)).getAddress();
assert.equal((await provider.getNetwork()).chainId, 1337n);

// What a page lets a wallet sign.
assert.equal(verifyMessage("words", await signer.signMessage("words")), signer.address);
const [domain, types, note] = [{ name: "Aurum", chainId: 1337 }, { Note: [{ name: "text", type: "string" }] }, { text: "words" }];
assert.equal(verifyTypedData(domain, types, note, await signer.signTypedData(domain, types, note)), signer.address);

// Deploys, writes, reads, hears events by a filter, and is told why not.
const { abi, bytecode } = compile("Probe.sol");
const probe = await (await new ContractFactory(abi, bytecode, signer).deploy(1n)).waitForDeployment();
const heard = new Promise((resolve) => probe.once("Noted", (by, key, text) => resolve([by, key, text])));
let written = 0n;
for (let event; !event; event = await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, 200))])) {
  // A filter counts from when the node has made it.
  written += 1n;
  assert.ok(written < 60n, "no event was heard");
  await (await probe.note(2n, "two")).wait();
}
assert.deepEqual(await heard, [signer.address, 2n, "two"]);
assert.equal(await probe.number(), 1n + 2n * written);
const refused = await probe.refuse(3n).then(() => undefined, (error) => error);
assert.ok(isError(refused, "CALL_EXCEPTION"), `${refused}`);
assert.deepEqual([refused.revert.name, refused.revert.args[1]], ["Refused", 3n]);
const reason = await probe.fail("for a reason").then(() => undefined, (error) => error);
assert.equal(reason.reason, "for a reason");
// Tests that look for words, as Truffle's do, find them whoever is asked; and a send whose gas is given is mined, fails, and says why
// when it is called again.
const failing = { from: signer.address, to: await probe.getAddress(), data: probe.interface.encodeFunctionData("fail", ["for a reason"]) };
const why = { code: 3, message: "execution reverted: for a reason", data: `0x08c379a0${AbiCoder.defaultAbiCoder().encode(["string"], ["for a reason"]).slice(2)}` };
for (const method of ["eth_sendTransaction", "eth_estimateGas", "eth_call"]) assert.deepEqual((await chain.ask(method, [failing])).error, why);
const failed = await chain.mined(await chain.result("eth_sendTransaction", { ...failing, gas: "0x186a0" }));
assert.equal(failed.status, "0x0");
assert.deepEqual((await chain.ask("eth_call", [failing, failed.blockNumber])).error, why);
const sent = await signer.sendTransaction({ to: friend, value: parseEther("1") });
assert.equal((await sent.wait()).status, 1);
const beyond = await signer.sendTransaction({ to: friend, value: parseEther("1000000") }).then(() => undefined, (error) => error);
assert.ok(isError(beyond, "INSUFFICIENT_FUNDS") || /insufficient funds/.test(beyond?.message), `${beyond}`);

// ethers' own subscriptions over WebSocket: blocks, logs, hashes of waiting transactions.
const within = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not told: ${what}`)), LIMIT)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
const socket = new WebSocketProvider(ws);
const first = (event) => new Promise((resolve) => socket.once(event, resolve));
const told = { block: first("block"), log: first({ address: await probe.getAddress() }), pending: first("pending") };
// The other two kinds are geth's: waiting transactions as a whole, and whether the node catches up.
const whole = await socket.send("eth_subscribe", ["newPendingTransactions", true]);
const heads = await socket.send("eth_subscribe", ["newHeads"]);
const syncing = await socket.send("eth_subscribe", ["syncing"]);
const messages = new Map([whole, heads, syncing].map((id) => [id, []]));
socket.websocket.addEventListener("message", ({ data }) => {
  const { params } = JSON.parse(data);
  messages.get(params?.subscription)?.push(params.result);
});
// ethers subscribes when it pleases; once it is asked something after that, it has.
await socket.getBlockNumber();
const last = await (await probe.note(5n, "told")).wait();
assert.ok((await within(told.block, "a block")) <= last.blockNumber);
assert.equal((await within(told.log, "a log")).transactionHash, last.hash);
assert.equal(await within(told.pending, "a waiting transaction"), last.hash);
for (const deadline = Date.now() + LIMIT; messages.get(heads).length === 0 || messages.get(whole).length === 0; ) {
  assert.ok(Date.now() < deadline, "heads and whole transactions are not told");
  await new Promise((resolve) => setTimeout(resolve, 20));
}
const [transaction] = messages.get(whole);
assert.deepEqual([transaction.hash, transaction.blockHash, transaction.from], [last.hash, null, signer.address.toLowerCase()]);
assert.deepEqual(messages.get(heads).map(({ hash }) => hash), [last.blockHash]);
for (const id of [whole, heads, syncing]) assert.equal(await socket.send("eth_unsubscribe", [id]), true);
assert.equal(await socket.send("eth_unsubscribe", [heads]), false, "it is gone");
for (const state of messages.get(syncing)) assert.ok(state === false || state.startingBlock, `syncing says ${JSON.stringify(state)}`);

await socket.destroy();
provider.destroy();
console.log(`ethers: ${await probe.getAddress()} through EIP-1193; blocks, logs, waiting transactions and syncing over WebSocket`);
