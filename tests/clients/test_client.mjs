// viem's test client, which drives a development chain: edits, impersonation, snapshots, blocks, time, the pool. Twice, as it speaks
// to Anvil and as it speaks to Hardhat; what of theirs is not offered is named, with the error people get.
// node test_client.mjs RPC
import assert from "node:assert/strict";
import { createTestClient, defineChain, http, parseEther, publicActions, toHex, walletActions } from "viem";
import { compile } from "./compile.mjs";

const [rpc] = process.argv.slice(2);
const { abi, bytecode } = compile("Probe.sol");
const WHALE = "0x00000000000000000000000000000000000000aa";
const COPY = "0x00000000000000000000000000000000000000bb";
const slot = (number) => toHex(number, { size: 32 });

// A block's fees, gas limit, author and randomness follow from the chain's rules; other chains are not forked.
const NOT_OFFERED = {
  dumpState: [],
  loadState: [{ state: "0x00" }],
  removeBlockTimestampInterval: [],
  sendUnsignedTransaction: [{ from: WHALE, to: COPY }],
  setBlockGasLimit: [{ gasLimit: 20_000_000n }],
  setBlockTimestampInterval: [{ interval: 5 }],
  setCoinbase: [{ address: WHALE }],
  setLoggingEnabled: [true],
  setMinGasPrice: [{ gasPrice: 1n }],
  setNextBlockBaseFeePerGas: [{ baseFeePerGas: 7n }],
  setRpcUrl: [rpc],
};

/** The error of a promise that has to fail. */
const failure = async (promise) => {
  const error = await promise.then(() => undefined, (thrown) => thrown);
  assert.ok(error, "it did not fail");
  return error;
};

/** Asks until `holds` is true of the answer. */
const until = async (what, ask, holds) => {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (holds(await ask())) return;
  }
  throw new Error(`gave up waiting until ${what}`);
};

const drive = async (mode) => {
  const chain = defineChain({ id: 1337, name: "Aurum", nativeCurrency: { name: "Aurum", symbol: "AUR", decimals: 18 }, rpcUrls: { default: { http: [rpc] } } });
  const client = createTestClient({ chain, mode, transport: http(rpc, { retryCount: 0 }), pollingInterval: 50 }).extend(publicActions).extend(walletActions);
  const [first, second] = await client.getAddresses();
  const height = () => client.getBlockNumber({ cacheTime: 0 });
  const mined = async (hash) => {
    const receipt = await client.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    return receipt;
  };
  const read = (address, functionName, ...args) => client.readContract({ address, abi, functionName, args });
  const note = (account, key) => client.writeContract({ account, address: COPY, abi, functionName: "note", args: [key, "words"] });

  // Edits, each in a block of its own.
  const { contractAddress: probe } = await mined(await client.deployContract({ account: first, abi, bytecode, args: [40n] }));
  const before = await height();
  await client.setBalance({ address: WHALE, value: parseEther("5") });
  await client.setNonce({ address: WHALE, nonce: 7 });
  await client.setCode({ address: COPY, bytecode: await client.getCode({ address: probe }) });
  await client.setStorageAt({ address: COPY, index: 0, value: slot(42) });
  assert.equal(await height(), before + 4n);
  assert.equal(await client.getBalance({ address: WHALE }), parseEther("5"));
  assert.equal(await client.getTransactionCount({ address: WHALE }), 7);
  assert.deepEqual([await read(COPY, "number"), await client.getStorageAt({ address: COPY, slot: slot(0) })], [42n, slot(42)]);
  assert.equal(await client.getBalance({ address: WHALE, blockNumber: before }), 0n, "the past is as it was");

  // A snapshot, and what is undone by going back to it: also whom the node sends for.
  const snapshot = await client.snapshot();
  assert.match((await failure(note(WHALE, 1n))).details, /unknown account/);
  await client.impersonateAccount({ address: WHALE });
  const { logs: [log] } = await mined(await note(WHALE, 1n));
  assert.equal(BigInt(log.topics[1]), BigInt(WHALE), "the event names who was impersonated");
  assert.deepEqual([await read(COPY, "number"), await client.getTransactionCount({ address: WHALE })], [43n, 8]);
  await client.impersonateAccount({ address: COPY });
  await client.setBalance({ address: COPY, value: parseEther("1") });
  await mined(await client.sendTransaction({ account: COPY, to: second, value: 1n }));
  await client.stopImpersonatingAccount({ address: COPY });
  assert.match((await failure(client.sendTransaction({ account: COPY, to: second, value: 1n }))).details, /unknown account/);
  await client.revert({ id: snapshot });
  assert.deepEqual([await height(), await read(COPY, "number"), await client.getTransactionCount({ address: WHALE })], [before + 4n, 42n, 7]);
  assert.match((await failure(note(WHALE, 1n))).details, /unknown account/);
  assert.equal(await client.request({ method: "evm_revert", params: [snapshot] }), false, "a snapshot is used up");

  // Blocks and time.
  await client.mine({ blocks: 3 });
  await client.mine({ blocks: 2, interval: 10 });
  assert.equal(await height(), before + 9n);
  const [earlier, latest] = [await client.getBlock({ blockNumber: before + 8n }), await client.getBlock()];
  assert.equal(latest.timestamp - earlier.timestamp, 10n);
  await client.increaseTime({ seconds: 3600 });
  await client.mine({ blocks: 1 });
  assert.ok((await client.getBlock()).timestamp >= latest.timestamp + 3590n, "time was not increased");
  const then = (await client.getBlock()).timestamp + 1000n;
  await client.setNextBlockTimestamp({ timestamp: then });
  await mined(await client.sendTransaction({ account: first, to: second, value: 1n }));
  assert.equal((await client.getBlock()).timestamp, then);
  assert.match((await failure(client.setNextBlockTimestamp({ timestamp: then }))).details, /lower than or equal to previous block's timestamp/);

  // Transactions that wait, are looked at, dropped, and mined together.
  assert.equal(await client.getAutomine(), true);
  await client.setAutomine(false);
  assert.equal(await client.getAutomine(), false);
  const waiting = [];
  for (const account of [first, second]) waiting.push(await client.sendTransaction({ account, to: WHALE, value: 2n }));
  const dropped = await client.sendTransaction({ account: second, to: WHALE, value: 3n });
  assert.deepEqual(await client.getTxpoolStatus(), { pending: 3, queued: 0 });
  const { pending } = await client.getTxpoolContent();
  assert.equal(Object.values(pending).flatMap((each) => Object.values(each)).length, 3);
  assert.equal(Object.keys((await client.inspectTxpool()).pending).length, 2);
  await client.dropTransaction({ hash: dropped });
  await client.mine({ blocks: 1 });
  const block = await client.getBlock();
  assert.deepEqual(new Set(block.transactions), new Set(waiting));
  const receipts = await Promise.all(waiting.map((hash) => client.getTransactionReceipt({ hash })));
  assert.deepEqual(receipts.map(({ blockNumber }) => blockNumber), [block.number, block.number]);
  assert.equal((await failure(client.getTransaction({ hash: dropped }))).name, "TransactionNotFoundError");

  // Blocks by themselves. In mode `anvil` viem sends `evm_setIntervalMining` in seconds, which means milliseconds here, as to
  // Hardhat: Anvil's own name of it means seconds.
  const interval = (seconds) =>
    mode === "anvil" ? client.request({ method: "anvil_setIntervalMining", params: [seconds] }) : client.setIntervalMining({ interval: seconds });
  await interval(1);
  await until("two blocks came by themselves", height, (number) => number >= block.number + 2n);
  assert.equal(await client.getAutomine(), false);
  await interval(0);
  await client.setAutomine(true);
  await mined(await client.sendTransaction({ account: first, to: second, value: 1n }));

  for (const [action, parameters] of Object.entries(NOT_OFFERED)) {
    const error = await failure(client[action](...parameters));
    assert.equal(error.name, "MethodNotFoundRpcError", `${action}: ${error.message}`);
    assert.match(error.details, /^the method (anvil|evm|eth|hardhat)_\w+ does not exist\/is not available$/);
  }
  const forking = await failure(client.reset({ jsonRpcUrl: rpc, blockNumber: 1n }));
  assert.deepEqual([forking.name, forking.details], ["InvalidParamsRpcError", "this node does not fork other chains"]);
  await client.reset();
  assert.deepEqual([await height(), await client.getCode({ address: probe })], [0n, undefined]);
};

for (const mode of ["anvil", "hardhat"]) await drive(mode);
console.log(`viem's test client: modes anvil and hardhat, ${Object.keys(NOT_OFFERED).length} actions are not offered and say so`);
