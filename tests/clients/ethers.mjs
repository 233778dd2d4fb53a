// A penniless account with ethers.js and no fee option: sends, deploys, calls, reads the event, waits for finality.
// node ethers.mjs RPC WS KEY ARTIFACT
import { readFileSync } from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider } from "ethers";

const [rpc, ws, key, artifactFile] = process.argv.slice(2);
const provider = new JsonRpcProvider(rpc, undefined, { pollingInterval: 250 });
const wallet = new Wallet(key, provider);
const expect = (holds, what) => {
  if (!holds) throw new Error(what);
};

expect((await provider.getBalance(wallet.address)) === 0n, "the account has coins");
const socket = new WebSocketProvider(ws);
const heard = new Promise((resolve) => socket.once("block", resolve));

const sent = await wallet.sendTransaction({ to: "0x000000000000000000000000000000000000dEaD", value: 0n });
const receipt = await sent.wait(1, 60_000);
expect(receipt.status === 1 && receipt.fee === 0n, `the transfer cost ${receipt.fee}`);

const artifact = JSON.parse(readFileSync(artifactFile, "utf8"));
const bytecode = artifact.bytecode.object ?? artifact.bytecode;
const factory = new ContractFactory(artifact.abi, bytecode, wallet);
const token = await factory.deploy(wallet.address, 1_000n);
await token.waitForDeployment();
const moved = await (await token.transfer("0x000000000000000000000000000000000000bEEF", 400n)).wait(1, 60_000);
expect((await token.balanceOf(wallet.address)) === 600n, "the token did not move");
const reader = new Contract(await token.getAddress(), artifact.abi, provider);
const events = await reader.queryFilter(reader.filters.Transfer(wallet.address), moved.blockNumber, moved.blockNumber);
expect(events.length === 1 && events[0].args.value === 400n, "the event is missing");

expect(typeof (await heard) === "number", "no head over WebSocket");
const deadline = Date.now() + 60_000;
while ((await provider.getBlock("finalized")).number < moved.blockNumber) {
  expect(Date.now() < deadline, "the block does not become final");
  await new Promise((resolve) => setTimeout(resolve, 200));
}
expect((await provider.getBalance(wallet.address)) === 0n, "gas cost something");
await socket.destroy();
provider.destroy();
console.log(`deployed ${await token.getAddress()} in block ${moved.blockNumber}`);
