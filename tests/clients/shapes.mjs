// Every method of execution-apis that a development chain serves, asked on a chain with all kinds of transactions, and each answer
// held against the schema of its result (`schemas.mjs`). Exceptions are in `exceptions.json`, with their reasons.
// node shapes.mjs RPC WS
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { keccak256, toHex } from "viem";
import { WebSocket } from "ws";
import { ACCOUNTS, Chain, DELEGATED, EMPTY, write } from "./history.mjs";
import { checks } from "./schemas.mjs";

const [rpc, ws] = process.argv.slice(2);
const chain = new Chain(rpc);
const exceptions = JSON.parse(readFileSync(new URL("exceptions.json", import.meta.url), "utf8"))
  .map((entry) => ({ ...entry, used: 0, methods: new RegExp(`^(?:${entry.method})$`), paths: new RegExp(`^(?:${entry.path})$`) }));

const faults = new Map();
let answers = 0;
const asked = new Set();
const hold = (method, params, value) => {
  answers += 1;
  asked.add(method);
  const check = checks.get(method);
  assert.ok(check, `no schema for ${method}`);
  if (check(value)) return;
  for (const { instancePath, keyword, params: detail, message } of check.errors) {
    if (keyword === "if") continue;
    const path = `${instancePath.replaceAll(/\/\d+/g, "[]")}${detail.additionalProperty ? `/${detail.additionalProperty}` : ""}`;
    const entry = exceptions.find((one) => one.keyword === keyword && one.methods.test(method) && one.paths.test(path));
    if (entry) entry.used += 1;
    else faults.set(`${method} ${path} ${keyword}`, `${message}, asked ${JSON.stringify(params).slice(0, 160)}`);
  }
};
const ask = async (method, ...params) => {
  const value = await chain.result(method, ...params);
  hold(method, params, value);
  return value;
};

const filters = { blocks: await ask("eth_newBlockFilter"), logs: await ask("eth_newFilter", { fromBlock: "0x0" }), pending: await ask("eth_newPendingTransactionFilter") };
const { probe, hashes, call } = await write(chain);
const height = Number(await ask("eth_blockNumber"));
const [{ address: from }] = ACCOUNTS;

for (let number = 0; number <= height; number += 1) {
  const at = toHex(number);
  const { hash } = await ask("eth_getBlockByNumber", at, number % 2 === 0);
  await ask("eth_getBlockByHash", hash, number % 2 === 1);
  await ask("eth_getBlockReceipts", at);
  assert.equal(keccak256(await ask("debug_getRawHeader", at)), hash, "a header as it is hashed");
  for (const what of ["Block", "Receipts"]) await ask(`debug_getRaw${what}`, at);
  for (const [way, where] of [["Hash", hash], ["Number", at]]) {
    await ask(`eth_getHeaderBy${way}`, where);
    await ask(`eth_getBlockTransactionCountBy${way}`, where);
    for (const index of ["0x0", "0x3"]) {
      await ask(`eth_getTransactionByBlock${way}AndIndex`, where, index);
      await ask(`eth_getRawTransactionByBlock${way}AndIndex`, where, index);
    }
    await ask(`eth_getUncleCountByBlock${way}`, where);
    await ask(`eth_getUncleByBlock${way}AndIndex`, where, "0x0");
  }
}
for (const tag of ["earliest", "latest", "safe", "finalized", "pending"]) await ask("eth_getBlockByNumber", tag, true);
for (const hash of hashes) {
  for (const method of ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"]) await ask(method, hash);
  assert.equal(keccak256(await ask("debug_getRawTransaction", hash)), hash, "a transaction as it is hashed");
}
// The schemas can fail: a block whose number has a leading zero, a transaction without its signature.
const mangled = await chain.result("eth_getBlockByNumber", "0x15", true);
for (const [name, change] of [["number", (block) => (block.number = "0x015")], ["r", (block) => delete block.transactions[0].r]]) {
  const block = structuredClone(mangled);
  change(block);
  const check = checks.get("eth_getBlockByNumber");
  assert.ok(!check(block) && check.errors.some(({ instancePath, params }) => instancePath.endsWith(name) || params.missingProperty === name), `${name} is not checked`);
}
const unknown = toHex(1, { size: 32 });
for (const method of ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getBlockReceipts"]) await ask(method, unknown).catch(() => {});
await ask("eth_getBlockByHash", unknown, false);
for (const who of [from, DELEGATED.address, probe, EMPTY]) {
  for (const method of ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"]) await ask(method, who, "latest");
  await ask("eth_getStorageAt", who, "0x0", "latest");
  await ask("eth_getProof", who, ["0x0", toHex(2, { size: 32 })], "latest");
}
for (const data of [call("number"), call("text"), call("note", 1n, "x")]) {
  await ask("eth_call", { from, to: probe, data }, "latest");
  await ask("eth_estimateGas", { from, to: probe, data });
  await ask("eth_createAccessList", { from, to: probe, data }, "latest");
}
await ask("eth_createAccessList", { from, to: probe, data: call("refuse", 1n) }, "latest");
for (const filter of [{ fromBlock: "0x0" }, { address: EMPTY }]) await ask("eth_getLogs", filter);
for (const filter of Object.values(filters)) await ask("eth_getFilterChanges", filter);
await ask("eth_getFilterLogs", filters.logs);
for (const filter of Object.values(filters)) await ask("eth_uninstallFilter", filter);
for (const percentiles of [[], [0, 50, 100]]) await ask("eth_feeHistory", "0x8", "latest", percentiles);
await ask("eth_simulateV1", {
  blockStateCalls: [{ calls: [{ from, to: EMPTY, value: "0x1" }, { from, to: probe, data: call("note", 1n, "x") }, { from, to: probe, data: call("refuse", 1n) }] }],
}, "latest");
const plain = ["accounts", "blobBaseFee", "chainId", "coinbase", "gasPrice", "hashrate", "maxPriorityFeePerGas", "mining", "protocolVersion", "syncing"];
for (const name of plain) await ask(`eth_${name}`);
for (const method of ["net_listening", "net_peerCount", "net_version", "web3_clientVersion"]) await ask(method);
await ask("web3_sha3", "0x1234");
await ask("eth_sign", from, "0x1234");
await ask("personal_sign", "0x1234", from);
const typed = { domain: {}, primaryType: "Note", types: { EIP712Domain: [], Note: [{ name: "text", type: "string" }] }, message: { text: "words" } };
await ask("eth_signTypedData_v4", from, typed);
const gasPrice = await ask("eth_gasPrice");
const { raw } = await ask("eth_signTransaction", { from, to: EMPTY, gas: "0x5208", gasPrice: toHex(2n * BigInt(gasPrice)), nonce: await ask("eth_getTransactionCount", from, "latest"), value: "0x1" });
await chain.mined(await ask("eth_sendRawTransaction", raw));
await chain.mined(await ask("eth_sendTransaction", { from, to: EMPTY, value: "0x1" }));

// The pool, with a transaction that waits and one that waits for that before it.
await chain.result("evm_setAutomine", false);
const next = Number(await ask("eth_getTransactionCount", from, "pending"));
for (const nonce of [next, next + 2]) await ask("eth_sendTransaction", { from, to: EMPTY, value: "0x1", nonce: toHex(nonce) });
assert.deepEqual(await ask("txpool_status"), { pending: "0x1", queued: "0x1" });
const content = await ask("txpool_content");
assert.deepEqual(Object.values(content).map((part) => Object.values(part).map(Object.keys)), [[[`${next}`]], [[`${next + 2}`]]]);
assert.equal(Object.keys((await ask("txpool_contentFrom", from)).pending).length, 1);
await ask("txpool_inspect");
await chain.result("evm_setAutomine", true);

// Subscriptions: their ids, and what they tell.
const told = await new Promise((resolve, reject) => {
  const socket = new WebSocket(ws);
  const topics = { newHeads: [], logs: [{ address: probe }], newPendingTransactions: [] };
  const open = new Map();
  const heard = {};
  const send = (id, method, params) => socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  socket.addEventListener("error", () => reject(new Error("the WebSocket fails")));
  socket.addEventListener("open", () => Object.entries(topics).forEach(([topic, options], id) => send(id, "eth_subscribe", [topic, ...options])));
  socket.addEventListener("message", ({ data }) => {
    const { id, result, error, params } = JSON.parse(data);
    if (error) reject(new Error(data));
    else if (params) {
      heard[open.get(params.subscription)] = params.result;
      if (Object.keys(heard).length === 3) send(9, "eth_unsubscribe", [[...open.keys()][0]]);
    } else if (id === 9) {
      hold("eth_unsubscribe", [], result);
      socket.close();
      resolve(heard);
    } else {
      hold("eth_subscribe", [], result);
      open.set(result, Object.keys(topics)[id]);
      if (open.size === 3) chain.result("eth_sendTransaction", { from, to: probe, data: call("note", 1n, "told") }).catch(reject);
    }
  });
});
hold("eth_getHeaderByHash", ["told"], told.newHeads);
hold("eth_getLogs", ["told"], [told.logs]);
hold("eth_getFilterChanges", ["told"], [told.newPendingTransactions]);

const { methods } = await chain.result("rpc.discover");
const served = methods.map(({ name }) => name).filter((name) => /^(eth_|net_|web3_|txpool_|debug_getRaw)/.test(name));
for (const name of served) if (!asked.has(name)) faults.set(name, "is served and was not asked");
for (const [where, what] of faults) console.log(`${where}: ${what}`);
const unused = exceptions.filter(({ used }) => used === 0);
for (const { method, path } of unused) console.log(`excuses nothing: ${method} ${path}`);
console.log(`${answers} answers of ${asked.size} methods, ${exceptions.length} exceptions`);
process.exitCode = faults.size + unused.length > 0 ? 1 : 0;
