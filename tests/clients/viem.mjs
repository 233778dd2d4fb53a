// viem as applications use it: deploys, reads, writes, simulates, follows events over both transports, checks a proof,
// batches reads, delegates an account's code (EIP-7702), and understands each way in which a contract refuses.
// node viem.mjs RPC WS KEY
import assert from "node:assert/strict";
import {
  createPublicClient, createTestClient, createWalletClient, decodeErrorResult, defineChain, encodeFunctionData, fromRlp,
  getContract, hexToBigInt, http, keccak256, parseEther, parseGwei, recoverMessageAddress, toHex, webSocket,
} from "viem";
import { privateKeyToAccount, generatePrivateKey } from "viem/accounts";
import { compile } from "./compile.mjs";

const [rpc, ws, key] = process.argv.slice(2);
const account = privateKeyToAccount(key);
const { abi, bytecode } = compile("Probe.sol");
const id = await createPublicClient({ transport: http(rpc) }).getChainId();
const chain = defineChain({
  id,
  name: "Aurum",
  nativeCurrency: { name: "Aurum", symbol: "AUR", decimals: 18 },
  rpcUrls: { default: { http: [rpc], webSocket: [ws] } },
});
const reader = createPublicClient({ chain, transport: http(rpc, { batch: true }), pollingInterval: 100 });
const wallet = createWalletClient({ account, chain, transport: http(rpc) });
const socket = createPublicClient({ chain, transport: webSocket(ws, { reconnect: false }) });
const mined = async (hash) => {
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success", `${hash} failed`);
  return receipt;
};
const rejected = async (promise, check) => {
  let error;
  await promise.catch((thrown) => (error = thrown));
  assert.ok(error, "it did not fail");
  assert.ok(error.walk ? error.walk(check) : check(error), `another error: ${error.message}`);
};

// Deploy, read, write.
const created = await mined(await wallet.deployContract({ abi, bytecode, args: [40n] }));
const address = created.contractAddress;
const probe = getContract({ address, abi, client: { public: reader, wallet } });
assert.equal(await probe.read.number(), 40n);
assert.equal(await reader.getTransactionCount({ address: account.address }), 1);

// What is watched is heard: by filter over HTTP, by subscription over WebSocket.
const heard = [];
const hear = (client, how) =>
  new Promise((resolve, reject) => {
    const stop = client.watchContractEvent({
      address, abi, eventName: "Noted", strict: true, onError: reject,
      onLogs: ([log]) => (heard.push(how), stop(), resolve(log)),
    });
  });
const heads = new Promise((resolve, reject) => {
  const stop = socket.watchBlocks({ onBlock: (block) => (stop(), resolve(block)), onError: reject });
});
const watching = [hear(reader, "filter"), hear(socket, "subscription")];
// A filter or a subscription counts from when the node has made it: notes are written until both have heard one.
let written = 0n;
let simulated;
while (heard.length < 2) {
  assert.ok(written < 60n, `only heard by ${heard}`);
  simulated = await reader.simulateContract({ account, address, abi, functionName: "note", args: [2n, "two"] });
  written += 1n;
  assert.equal(simulated.result, 40n + 2n * written, "a simulation says what the transaction will return");
  await mined(await wallet.writeContract(simulated.request));
}
for (const log of await Promise.all(watching)) assert.deepEqual([log.args.by, log.args.key, log.args.text], [account.address, 2n, "two"]);
assert.ok((await heads).number >= created.blockNumber);
const logs = await reader.getContractEvents({ address, abi, eventName: "Noted", args: { key: 2n }, fromBlock: created.blockNumber });
assert.equal(BigInt(logs.length), written);
assert.equal((await reader.getContractEvents({ address, abi, eventName: "Noted", args: { key: 3n }, fromBlock: 0n })).length, 0);

// Refusals: custom errors, reasons, panics; nonces and funds in the words viem matches.
const refusal = await probe.simulate.refuse([7n]).then(() => assert.fail("not refused"), (error) => error);
const custom = refusal.walk((error) => error.data?.errorName !== undefined);
assert.deepEqual([custom.data.errorName, custom.data.args], ["Refused", ["0x0000000000000000000000000000000000000000", 7n]]);
await rejected(probe.simulate.fail(["for a reason"]), (error) => error.reason === "for a reason");
await rejected(probe.read.panic([0n]), (error) => /Division or modulo by zero/.test(error.message));
await rejected(wallet.sendTransaction({ to: address, nonce: 0, gas: 30_000n }), (error) => error.name === "NonceTooLowError");
const poor = privateKeyToAccount(generatePrivateKey());
const pauper = createWalletClient({ account: poor, chain, transport: http(rpc) });
await rejected(pauper.sendTransaction({ to: address, value: 1n }), (error) => error.name === "InsufficientFundsError");
await rejected(wallet.sendTransaction({ to: address, gas: 20_000n }), (error) => error.name === "IntrinsicGasTooLowError");
await rejected(reader.call({ account, to: address, data: encodeFunctionData({ abi, functionName: "refuse", args: [9n] }) }), (error) => {
  const data = typeof error.data === "object" ? error.data?.data : error.data;
  return data !== undefined && decodeErrorResult({ abi, data }).args[1] === 9n;
});

// Many reads at once: a JSON-RPC batch, and Multicall3's aggregate from code that is not deployed.
const [balance, number, gasPrice, fees] = await Promise.all([
  reader.getBalance({ address: account.address }), probe.read.number(), reader.getGasPrice(), reader.estimateFeesPerGas(),
]);
assert.ok(balance > parseEther("9999") && gasPrice > 0n && fees.maxFeePerGas >= fees.maxPriorityFeePerGas);
const many = await reader.multicall({
  deployless: true,
  contracts: [
    { address, abi, functionName: "number" },
    { address, abi, functionName: "notes", args: [account.address] },
    { address, abi, functionName: "refuse", args: [1n] },
  ],
});
assert.deepEqual([many[0].result, many[1].result, many[2].status], [number, 2n, "failure"]);

// Reads of the past, blocks, fees, overrides, access lists, eth_simulateV1.
assert.equal(await reader.readContract({ address, abi, functionName: "number", blockNumber: created.blockNumber }), 40n);
const block = await reader.getBlock({ blockNumber: created.blockNumber, includeTransactions: true });
assert.equal(block.transactions[0].hash, created.transactionHash);
assert.equal((await reader.getBlock({ blockTag: "finalized" })).number, (await reader.getBlock()).number);
const history = await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [25, 75] });
assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
const slot = toHex(0, { size: 32 });
const overridden = await reader.readContract({
  address, abi, functionName: "number", stateOverride: [{ address, stateDiff: [{ slot, value: toHex(99, { size: 32 }) }] }],
});
assert.equal(overridden, 99n);
const { accessList } = await reader.createAccessList({ account, to: address, data: encodeFunctionData({ abi, functionName: "number" }) });
assert.deepEqual(accessList.map(({ address, storageKeys }) => [address.toLowerCase(), storageKeys]), [[address.toLowerCase(), [slot]]]);
const [{ calls }] = await reader.simulateBlocks({
  blocks: [{ calls: [{ account, to: poor.address, value: 5n }, { account: poor.address, to: account.address, value: 5n }],
    stateOverrides: [{ address: poor.address, balance: parseEther("1") }] }],
});
assert.deepEqual(calls.map(({ status }) => status), ["success", "success"]);

// A proof of the slot, checked against the block's state root from the account's leaf upwards.
const proof = await reader.getProof({ address, storageKeys: [slot], blockNumber: block.number });
assert.equal(proof.storageProof[0].value, 40n);
assert.equal(keccak256(proof.accountProof[0]), block.stateRoot, "the proof's root is the block's");
assert.equal(keccak256(proof.storageProof[0].proof[0]), proof.storageHash, "the slot's root is the account's");
const leaf = fromRlp(fromRlp(proof.accountProof.at(-1)).at(-1));
assert.deepEqual([hexToBigInt(leaf[0]), leaf[2], leaf[3]], [1n, proof.storageHash, keccak256(await reader.getCode({ address }))]);

// Legacy, access-list and dynamic-fee transactions; each shows as what it was sent as.
for (const [type, fields] of [
  ["legacy", { gasPrice: parseGwei("3") }],
  ["eip2930", { gasPrice: parseGwei("3"), accessList: [{ address, storageKeys: [slot] }] }],
  ["eip1559", { maxFeePerGas: parseGwei("5"), maxPriorityFeePerGas: parseGwei("1") }],
]) {
  const hash = await wallet.sendTransaction({ type, to: poor.address, value: parseEther("1"), ...fields });
  assert.equal((await mined(hash)).type, type);
  assert.equal((await reader.getTransaction({ hash })).type, type);
}

// Cancun in code that solc made, seen instruction by instruction.
const data = encodeFunctionData({ abi, functionName: "copy", args: [toHex("mcopy")] });
const steps = async (to, data) => (await reader.request({ method: "debug_traceCall", params: [{ to, data }, "latest", {}] })).structLogs;
const seen = new Set((await steps(address, data)).map(({ op }) => op));
for (const op of ["PUSH0", "MCOPY"]) assert.ok(seen.has(op), `no ${op} in a trace`);
const again = encodeFunctionData({ abi, functionName: "guarded", args: [address, data] });
const locked = new Set((await steps(address, again)).map(({ op }) => op));
for (const op of ["TLOAD", "TSTORE", "MCOPY"]) assert.ok(locked.has(op), `no ${op} in a trace`);
const reentering = encodeFunctionData({ abi, functionName: "guarded", args: [address, again] });
await rejected(probe.simulate.guarded([address, reentering]), (error) => error.data?.errorName === "Reentered");
await mined(await probe.write.guarded([address, data]));
await mined(await probe.write.guarded([address, data]));

// EIP-7702: the poor account's code becomes the probe's, paid by another; then it is taken off again.
const authorization = await pauper.signAuthorization({ contractAddress: address });
const delegated = await mined(await wallet.sendTransaction({
  authorizationList: [authorization], to: poor.address, data: encodeFunctionData({ abi, functionName: "note", args: [11n, "delegated"] }),
}));
assert.equal(delegated.type, "eip7702");
assert.equal((await reader.getTransaction({ hash: delegated.transactionHash })).authorizationList[0].address.toLowerCase(), address.toLowerCase());
assert.equal(await reader.getCode({ address: poor.address }), `0xef0100${address.slice(2).toLowerCase()}`);
assert.deepEqual(await reader.getDelegation({ address: poor.address }).then((to) => to.toLowerCase()), address.toLowerCase());
assert.equal(await reader.readContract({ address: poor.address, abi, functionName: "text" }), "delegated");
const off = await pauper.signAuthorization({ contractAddress: "0x0000000000000000000000000000000000000000", executor: "self" });
await mined(await pauper.sendTransaction({ authorizationList: [off], to: poor.address, gas: 100_000n }));
assert.equal(await reader.getCode({ address: poor.address }), undefined);

// Accounts of the node, and the clock.
const node = createWalletClient({ chain, transport: http(rpc) });
const [first] = await node.getAddresses();
const signature = await node.signMessage({ account: first, message: "aurum" });
assert.equal(await recoverMessageAddress({ message: "aurum", signature }), first);
await mined(await node.sendTransaction({ account: first, to: address, value: 3n }));
const clock = createTestClient({ chain, mode: "anvil", transport: http(rpc) });
const before = await reader.getBlock();
const hence = BigInt(Math.floor(Date.now() / 1000) + 3600);
await clock.increaseTime({ seconds: 3600 });
await clock.mine({ blocks: 2 });
const after = await reader.getBlock();
assert.ok(after.number === before.number + 2n && after.timestamp >= hence, "the clock did not move");

await (await socket.transport.getRpcClient()).close();
console.log(`viem: ${await reader.getTransactionCount({ address: account.address })} transactions, probe at ${address}`);
