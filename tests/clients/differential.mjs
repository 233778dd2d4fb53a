// Some thousand requests to two nodes with the same history: Anvil and ours. Every difference between the answers is in
// `differences.json` with its reason; one that is not fails, as does an entry that explains nothing. An entry with `params` is of
// the requests alone whose parameters, as JSON, match that.
// node differential.mjs ANVIL OURS
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pad, toHex } from "viem";
import { ACCOUNTS, Chain, DELEGATED, EMPTY, START, write } from "./history.mjs";

const [anvil, ours] = process.argv.slice(2).map((url) => new Chain(url));
const table = JSON.parse(readFileSync(new URL("differences.json", import.meta.url), "utf8"))
  .map((entry) => ({
    ...entry, used: 0,
    methods: new RegExp(`^(?:${entry.method})$`), paths: new RegExp(`^(?:${entry.path})$`), asked: new RegExp(entry.params ?? ""),
  }));

// Fees go to the same account.
for (const chain of [ours, anvil]) {
  if (chain === anvil) await anvil.result("anvil_setCoinbase", (await ours.result("eth_getBlockByNumber", "latest", false)).miner);
  await chain.result("evm_setNextBlockTimestamp", START - 10);
  await chain.result("evm_mine");
}

// Block hashes differ, as the headers do: each stands for its height. So do the stamps of author and state.
const names = new Map();
const [history, same] = [await write(anvil), await write(ours)];
assert.deepEqual([history.probe, history.child, history.several, history.hashes], [same.probe, same.child, same.several, same.hashes], "two histories");
const height = Number(await ours.result("eth_blockNumber"));
for (const chain of [anvil, ours]) {
  for (let number = 0; number <= height; number += 1) {
    const { hash } = await chain.result("eth_getBlockByNumber", toHex(number), false);
    names.set(hash, `block ${number}`);
  }
}
const normal = (value) => {
  if (typeof value === "string") return names.get(value) ?? value;
  // Anvil has no rewards.
  if (Array.isArray(value)) return value.filter((one) => one?.type !== "reward").map(normal);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]));
  return value;
};

/** Where two values differ: `[path, kind, theirs, ours]`. */
const differences = function* (theirs, mine, path = "") {
  if (theirs && mine && typeof theirs === "object" && typeof mine === "object" && Array.isArray(theirs) === Array.isArray(mine)) {
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      const where = Array.isArray(theirs) ? `${path}[]` : `${path}.${key}`;
      if (!(key in theirs)) yield [where, "only ours", undefined, mine[key]];
      else if (!(key in mine)) yield [where, "only anvil", theirs[key], undefined];
      else yield* differences(theirs[key], mine[key], where);
    }
  } else if (theirs !== mine) yield [path, "value", theirs, mine];
};

const { probe, child, fresh, hashes, several, call } = history;
const people = [...ACCOUNTS.map(({ address }) => address), DELEGATED.address, probe, child, EMPTY, "0x00000000000000000000000000000000000000ff"];
const requests = [];
const add = (method, ...params) => requests.push([method, params]);

for (let number = 0; number <= height; number += 1) {
  const at = toHex(number);
  add("eth_getBlockByNumber", at, number % 2 === 0);
  add("eth_getBlockReceipts", at);
  add("eth_getBlockTransactionCountByNumber", at);
  add("eth_getTransactionByBlockNumberAndIndex", at, "0x0");
  if (number > 0) add("debug_traceBlockByNumber", at, { tracer: "callTracer" });
  if (number > 0) add("trace_block", at);
}
for (const hash of hashes) {
  add("eth_getTransactionByHash", hash);
  add("eth_getTransactionReceipt", hash);
  add("eth_getRawTransactionByHash", hash);
  add("debug_traceTransaction", hash, {});
  add("debug_traceTransaction", hash, { tracer: "callTracer", tracerConfig: { withLog: true } });
  add("debug_traceTransaction", hash, { tracer: "prestateTracer", tracerConfig: { diffMode: true } });
  add("debug_traceTransaction", hash, { tracer: "prestateTracer" });
  add("debug_traceTransaction", hash, { tracer: "4byteTracer" });
  add("trace_transaction", hash);
}
const [firstOfSeveral, lastOfSeveral] = [several[0], several.at(-1)].map((number) => toHex(number));
for (const number of several) {
  const at = toHex(number);
  const count = Number(await ours.result("eth_getBlockTransactionCountByNumber", at));
  for (let index = 0; index <= count; index += 1) {
    add("eth_getTransactionByBlockNumberAndIndex", at, toHex(index));
    add("eth_getRawTransactionByBlockNumberAndIndex", at, toHex(index));
  }
  for (const options of [
    {}, { tracer: "callTracer", tracerConfig: { withLog: true } }, { tracer: "callTracer", tracerConfig: { onlyTopCall: true } },
    { tracer: "prestateTracer" }, { tracer: "prestateTracer", tracerConfig: { diffMode: true } }, { tracer: "4byteTracer" },
  ]) add("debug_traceBlockByNumber", at, options);
  for (const kinds of [["trace"], ["stateDiff"], ["vmTrace"]]) add("trace_replayBlockTransactions", at, kinds);
  add("eth_getLogs", { fromBlock: at, toBlock: at });
  add("eth_getLogs", { fromBlock: at, toBlock: at, address: fresh });
  add("trace_filter", { fromBlock: at, toBlock: at, toAddress: [probe] });
  add("eth_feeHistory", "0x1", at, [0, 25, 50, 75, 100]);
  for (const who of [...ACCOUNTS.map(({ address }) => address), probe, fresh, DELEGATED.address]) {
    add("eth_getBalance", who, at);
    add("eth_getStorageAt", who, toHex(0, { size: 32 }), at);
  }
  for (const to of [probe, fresh]) add("eth_call", { to, data: call("number") }, at);
}
add("eth_feeHistory", toHex(several.length + 1), lastOfSeveral, [10, 90]);
add("eth_getLogs", { fromBlock: firstOfSeveral, toBlock: lastOfSeveral });
add("trace_filter", { fromBlock: firstOfSeveral, toBlock: lastOfSeveral });
add("trace_filter", { fromBlock: firstOfSeveral, toBlock: lastOfSeveral, fromAddress: [ACCOUNTS[1].address], after: 2, count: 3 });

for (const who of people) {
  for (const at of ["0x0", "0x4", "0x10", "latest"]) {
    add("eth_getBalance", who, at);
    add("eth_getTransactionCount", who, at);
  }
  add("eth_getCode", who, "latest");
  add("eth_getStorageAt", who, "0x0", "latest");
  add("eth_getStorageAt", who, toHex(2, { size: 32 }), "0x5");
  add("eth_estimateGas", { from: ACCOUNTS[0].address, to: who, value: "0x1" });
}
const from = ACCOUNTS[0].address;
const calls = [
  call("number"), call("notes", ACCOUNTS[1].address), call("text"), call("copy", "0x1234"), call("fail", "why"), call("refuse", 1n),
  call("panic", 0n), call("panic", 1n), call("silent"), call("invalid"), call("environment"), call("note", 1n, "x"), "0x", "0x12345678",
];
for (const data of calls) {
  add("eth_call", { from, to: probe, data }, "latest");
  add("eth_call", { from, to: probe, data, gas: toHex(60_000) }, "0x6");
  add("eth_estimateGas", { from, to: probe, data });
  add("eth_createAccessList", { from, to: probe, data }, "latest");
  add("debug_traceCall", { from, to: probe, data }, "latest", { tracer: "callTracer" });
}
add("eth_call", { from, to: probe, data: call("burn"), gas: toHex(100_000) }, "latest");
add("eth_call", { to: probe, data: call("number") }, "latest", { [probe]: { stateDiff: { [toHex(0, { size: 32 })]: toHex(99, { size: 32 }) } } });
add("eth_call", { to: EMPTY, data: "0x" }, "latest", { [EMPTY]: { code: "0x60425f5260205ff3" } });
add("eth_call", { from: EMPTY, to: probe, value: "0xffffffffffff" }, "latest");
for (const filter of [
  {}, { fromBlock: "0x0" }, { fromBlock: "0x0", address: probe }, { fromBlock: "0x0", address: [probe, DELEGATED.address] }, { fromBlock: "0x5", toBlock: "0x6" },
  { fromBlock: "0x0", topics: [null, pad(ACCOUNTS[1].address)] }, { fromBlock: "0x0", topics: [[], [], toHex(3, { size: 32 })] }, { fromBlock: "0x0", address: EMPTY },
]) add("eth_getLogs", filter);
for (const [method, ...params] of [
  ["eth_chainId"], ["eth_blockNumber"], ["eth_gasPrice"], ["eth_maxPriorityFeePerGas"], ["eth_syncing"], ["eth_accounts"], ["eth_mining"], ["net_version"], ["net_listening"],
  ["eth_feeHistory", "0x5", "latest", [10, 50, 90]], ["eth_feeHistory", "0x3", "0x8", []], ["eth_feeHistory", "0x400", "latest"],
  ["web3_sha3", "0x1234"], ["eth_getUncleCountByBlockNumber", "0x3"], ["eth_getUncleByBlockNumberAndIndex", "0x3", "0x0"],
  ["eth_getTransactionByHash", toHex(1, { size: 32 })], ["eth_getTransactionReceipt", toHex(1, { size: 32 })],
  ["eth_getBlockByNumber", "0xffff", false], ["eth_getBlockByHash", toHex(1, { size: 32 }), false], ["eth_getBlockByNumber", "safe", false],
  ["eth_getBlockByNumber", "finalized", false], ["eth_getBlockByNumber", "earliest", false], ["eth_getTransactionByBlockNumberAndIndex", "0x1", "0x7"],
  ["txpool_status"], ["txpool_content"], ["eth_getProof", probe, [toHex(0, { size: 32 })], "latest"], ["eth_getProof", EMPTY, [], "latest"],
  ["eth_simulateV1", { blockStateCalls: [{ calls: [{ from, to: EMPTY, value: "0x1" }, { from, to: probe, data: call("refuse", 1n) }] }] }, "latest"],
  ["trace_filter", { fromBlock: "0x1", toBlock: "0x3" }], ["trace_filter", { fromBlock: "0x1", toBlock: "0x16", fromAddress: [ACCOUNTS[2].address] }],
  ["trace_replayBlockTransactions", "0x5", ["trace"]], ["debug_getRawTransaction", hashes[0]],
  ["eth_sendRawTransaction", "0x1234"], ["eth_sendRawTransaction", "0x"], ["eth_getBalance", "0x12", "latest"], ["eth_getBalance"], ["eth_nonsense"],
  ["eth_getBlockByNumber", "soon", false], ["eth_getStorageAt", probe, "zero", "latest"], ["eth_getFilterChanges", "0x123456"], ["eth_uninstallFilter", "0x123456"],
]) add(method, ...params);
const raw = await ours.result("eth_getRawTransactionByHash", hashes[0]);
add("eth_sendRawTransaction", raw);

assert.ok(requests.length >= 500, `only ${requests.length} requests`);
const unexplained = new Map();
let differing = 0;
for (const [method, params] of requests) {
  const [theirs, mine] = await Promise.all([anvil, ours].map((chain) => chain.ask(method, params)));
  const found = [...differences(normal({ result: theirs.result, error: theirs.error }), normal({ result: mine.result, error: mine.error }))];
  differing += found.length > 0 ? 1 : 0;
  const given = JSON.stringify(params);
  for (const [path, kind, their, our] of found) {
    const entry = table.find((one) => one.methods.test(method) && one.asked.test(given) && one.paths.test(path) && (one.kind ?? kind) === kind);
    if (entry) entry.used += 1;
    else if (!unexplained.has(`${method} ${path} ${kind}`)) unexplained.set(`${method} ${path} ${kind}`, { params, anvil: their, ours: our });
  }
}
const show = (value) => JSON.stringify(value)?.slice(0, 240);
for (const [what, { params, anvil: their, ours: our }] of unexplained) {
  console.log(`unexplained: ${what}\n  of ${show(params)}\n  anvil ${show(their)}\n  ours  ${show(our)}`);
}
const unused = table.filter(({ used }) => used === 0);
for (const { method, path } of unused) console.log(`explains nothing: ${method} ${path}`);
const reasons = table.filter(({ used }) => used > 0).length;
console.log(`${requests.length} requests, ${requests.length - differing} answered alike, the others differ for ${reasons} known reasons`);
process.exitCode = unexplained.size + unused.length > 0 ? 1 : 0;
