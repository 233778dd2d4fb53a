// Hardhat's own test runner, against the node instead of a simulated chain.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import hre from "hardhat";

describe("Probe", () => {
  let connection, ethers, signer, probe;

  before(async () => {
    connection = await hre.network.create("aurum");
    ({ ethers } = connection);
    [signer] = await ethers.getSigners();
    probe = await ethers.deployContract("Probe", [1n]);
    await probe.waitForDeployment();
  });
  after(() => connection.close());

  it("is deployed by an account with a key", async () => {
    assert.equal(await probe.number(), 1n);
    assert.equal((await probe.deploymentTransaction().wait()).from, signer.address);
  });

  it("emits events that filters find", async () => {
    const receipt = await (await probe.note(5n, "five")).wait();
    const [event] = await probe.queryFilter(probe.filters.Noted(signer.address), receipt.blockNumber);
    assert.deepEqual([...event.args], [signer.address, 5n, "five"]);
  });

  it("reverts with the custom error, in a call and in an estimate", async () => {
    const refused = (error) => {
      const { name, args } = probe.interface.parseError(error.data);
      return name === "Refused" && args[0] === signer.address && args[1] === 3n;
    };
    await assert.rejects(probe.refuse.staticCall(3n), refused);
    await assert.rejects(signer.estimateGas(await probe.refuse.populateTransaction(3n)), refused);
  });

  it("reverts with the reason and the panic code", async () => {
    await assert.rejects(probe.fail("for a reason"), { code: 3, message: "execution reverted: for a reason" });
    await assert.rejects(probe.panic(0n), (error) => probe.interface.parseError(error.data).args[0] === 0x12n);
  });

  it("mines a transaction that fails when its gas is given", async () => {
    const sent = await signer.sendTransaction({ ...(await probe.fail.populateTransaction("late")), gasLimit: 100_000n });
    await assert.rejects(sent.wait(), (error) => error.code === "CALL_EXCEPTION" && error.receipt.status === 0);
  });

  it("runs transient storage, MCOPY and CREATE2", async () => {
    assert.equal(await probe.copy("0x1234"), "0x12341234");
    await (await probe.guarded(await probe.getAddress(), probe.interface.encodeFunctionData("number"))).wait();
    const salt = ethers.id("salt");
    const child = await probe.create.staticCall(salt);
    await (await probe.create(salt)).wait();
    assert.notEqual(await ethers.provider.getCode(child), "0x");
  });

  it("sends from the node's own accounts", async () => {
    const unlocked = await hre.network.create("unlocked");
    const [, second] = await unlocked.ethers.getSigners();
    const sent = await second.sendTransaction({ to: await probe.getAddress(), value: 7n });
    assert.equal((await sent.wait()).status, 1);
    assert.equal(await ethers.provider.getBalance(await probe.getAddress()), 7n);
    await unlocked.close();
  });
});
