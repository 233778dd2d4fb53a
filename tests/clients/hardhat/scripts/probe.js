// What `hardhat run --network NAME scripts/probe.js` does: deploys, sends, reads, and is told why a send fails.
import assert from "node:assert/strict";
import hre from "hardhat";

const connection = await hre.network.create();
const { ethers } = connection;
const [signer] = await ethers.getSigners();
const probe = await ethers.deployContract("Probe", [40n]);
await probe.waitForDeployment();
const receipt = await (await probe.note(2n, "two", { value: 7n })).wait();
const [event] = await probe.queryFilter(probe.filters.Noted(signer.address), receipt.blockNumber);
assert.deepEqual([...event.args], [signer.address, 2n, "two"]);
assert.equal(await ethers.provider.getBalance(await probe.getAddress()), 7n);
await assert.rejects(probe.fail("for a reason"), /execution reverted: for a reason/);
console.log(`${await probe.getAddress()} holds ${await probe.number()} and "${await probe.text()}"`);
await connection.close();
