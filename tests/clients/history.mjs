// The same history on any development chain: the same accounts, transactions, fees and times. One transaction a block at first, then
// blocks with several.
import { encodeDeployData, encodeFunctionData, getContractAddress, parseGwei, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { compile } from "./compile.mjs";

const KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];
export const ACCOUNTS = KEYS.map((key) => privateKeyToAccount(key));
/** Has code only by delegation (EIP-7702); pays nothing itself. */
export const DELEGATED = privateKeyToAccount(`0x${"d1".repeat(32)}`);
export const EMPTY = "0x00000000000000000000000000000000000000ee";
/** Unix time of the first block. */
export const START = 1_900_000_000;

export class Chain {
  #id = 0;

  constructor(url) {
    this.url = url;
  }

  /** The answer as it is: with `result`, or with `error`. */
  async ask(method, params = []) {
    this.#id += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#id, method, params });
    const response = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return response.json();
  }

  async result(method, ...params) {
    const { result, error } = await this.ask(method, params);
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** The receipt, once there is one. */
  async mined(hash) {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 10))) {
      const receipt = await this.result("eth_getTransactionReceipt", hash);
      if (receipt) return receipt;
    }
    throw new Error(`${hash} is in no block`);
  }
}

/** Makes the history. Returns the probe's address and ABI, the hashes in order, and the numbers of the blocks with several. */
export const write = async (chain) => {
  const { abi, bytecode } = compile("Probe.sol");
  const chainId = Number(await chain.result("eth_chainId"));
  const nonces = new Map();
  const hashes = [];
  let probe;
  const signed = (account, fields, fee = "6", tip = "1") => {
    const nonce = nonces.get(account) ?? 0;
    nonces.set(account, nonce + 1);
    const price = fields.type === "legacy" || fields.type === "eip2930"
      ? { gasPrice: parseGwei(fee === "6" ? "4" : fee) }
      : { maxFeePerGas: parseGwei(fee), maxPriorityFeePerGas: parseGwei(tip) };
    return account.signTransaction({ type: "eip1559", chainId, nonce, gas: 400_000n, ...price, ...fields });
  };
  const at = (seconds) => chain.result("evm_setNextBlockTimestamp", START + 10 * hashes.length + seconds);
  const send = async (account, fields) => {
    const raw = await signed(account, fields);
    await at(0);
    const receipt = await chain.mined(await chain.result("eth_sendRawTransaction", raw));
    hashes.push(receipt.transactionHash);
    return receipt;
  };
  const several = [];
  /** One block of these transactions in their order: each offers less than the one before. */
  const together = async (...transactions) => {
    await at(0);
    const sent = [];
    for (const [index, [account, fields]] of transactions.entries()) {
      const fee = String(40 - 2 * index);
      sent.push(await chain.result("eth_sendRawTransaction", await signed(account, fields, fee, fee)));
    }
    await chain.result("evm_mine");
    for (const hash of sent) hashes.push((await chain.mined(hash)).transactionHash);
    several.push(Number(await chain.result("eth_blockNumber")));
  };
  const call = (functionName, ...args) => encodeFunctionData({ abi, functionName, args });
  const [first, second, third] = ACCOUNTS;

  probe = (await send(first, { data: encodeDeployData({ abi, bytecode, args: [40n] }), gas: 1_500_000n, value: 1000n })).contractAddress;
  await send(first, { to: second.address, value: 10n ** 18n });
  await send(second, { type: "legacy", to: EMPTY, value: 5n });
  await send(second, { type: "eip2930", to: probe, data: call("note", 2n, "two"), accessList: [{ address: probe, storageKeys: [toHex(0, { size: 32 })] }] });
  await send(third, { to: probe, data: call("note", 3n, "a text that does not fit into the slot in which its length is kept"), value: 7n });
  await send(third, { to: probe, data: call("clear") });
  await send(first, { to: probe, data: call("fail", "for a reason") });
  await send(first, { to: probe, data: call("refuse", 9n) });
  await send(first, { to: probe, data: call("panic", 0n) });
  await send(first, { to: probe, data: call("silent") });
  await send(first, { to: probe, data: call("invalid"), gas: 60_000n });
  await send(first, { to: probe, data: call("burn"), gas: 60_000n });
  await send(second, { to: probe, data: call("guarded", probe, call("note", 4n, "inside")), value: 1n });
  await send(second, { to: probe, data: call("guarded", probe, call("guarded", probe, "0x")) });
  const { logs } = await send(second, { to: probe, data: call("create", toHex(1, { size: 32 })) });
  const child = `0x${logs[0].data.slice(26)}`;
  await send(second, { to: child, data: `0x8c4dd39d${second.address.slice(2).padStart(64, "0")}` });
  await send(third, { to: probe, value: 3n });
  await send(third, { data: "0x60015ff3" });
  await send(third, { data: "0xfe", gas: 60_000n });
  // It exists: Anvil pays EIP-7702's refund for accounts that do not, too.
  await send(third, { to: DELEGATED.address, value: 1n });
  const authorization = await DELEGATED.signAuthorization({ chainId, contractAddress: probe, nonce: 0 });
  await send(third, { type: "eip7702", to: DELEGATED.address, data: call("note", 11n, "delegated"), authorizationList: [authorization] });
  await send(third, { to: "0x0000000000000000000000000000000000000002", data: "0x1234" });
  await send(first, { to: first.address });

  await chain.result("evm_setAutomine", false);
  const note = (key, text) => ({ to: probe, data: call("note", BigInt(key), text) });
  // Coins, of each type and from several senders, one of them twice.
  await together(
    [first, { to: EMPTY, value: 1n }],
    [second, { type: "legacy", to: EMPTY, value: 2n }],
    [third, { type: "eip2930", to: first.address, value: 3n, accessList: [{ address: probe, storageKeys: [] }] }],
    [first, { to: second.address, value: 4n }],
  );
  // Calls that fail between others, each in its way.
  await together(
    [first, note(1, "before")],
    [second, { to: probe, data: call("fail", "in the middle") }],
    [third, { ...note(2, "between"), value: 5n }],
    [second, { to: probe, data: call("burn"), gas: 60_000n }],
    [third, { to: probe, data: call("refuse", 4n) }],
    [first, { to: probe, data: call("invalid"), gas: 60_000n }],
    [second, note(3, "after")],
  );
  // Creations, one of which fails, and a call of what was created two transactions before.
  const fresh = getContractAddress({ from: first.address, nonce: BigInt(nonces.get(first)) });
  await together(
    [first, { data: encodeDeployData({ abi, bytecode, args: [7n] }), gas: 1_500_000n }],
    [second, { data: "0xfe", gas: 60_000n }],
    [first, { to: fresh, data: call("note", 8n, "young") }],
    [third, { to: probe, data: call("create", toHex(2, { size: 32 })) }],
  );
  // Logs: of several transactions and contracts, within a call, none between.
  await together(
    [first, note(10, "one")],
    [second, { to: EMPTY, value: 1n }],
    [third, { to: fresh, data: call("guarded", probe, call("note", 11n, "two, from within")) }],
    [second, { to: fresh, data: call("note", 12n, "three") }],
    [first, { to: probe, data: call("create", toHex(3, { size: 32 })) }],
  );
  await at(-5);
  await chain.result("evm_mine");
  // An account takes on another's code between two calls of it; slots are cleared and written again.
  const again = await DELEGATED.signAuthorization({ chainId, contractAddress: fresh, nonce: 1 });
  await together(
    [second, { to: DELEGATED.address, data: call("note", 13n, "by the probe's code") }],
    [third, { type: "eip7702", to: EMPTY, authorizationList: [again] }],
    [second, { to: DELEGATED.address, data: call("clear") }],
    [first, { to: probe, data: call("clear") }],
    [first, note(14, "written again")],
    [third, { to: DELEGATED.address, value: 6n }],
  );
  await chain.result("evm_setAutomine", true);
  return { abi, probe, child, fresh, hashes, several, call };
};
