// Hardhat's network helpers, as tests of contracts use them. They serve nodes whose name they know: one started with
// `--client-version`.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import hre from "hardhat";

const ANYBODY = "0x00000000000000000000000000000000000000AA";

describe("network helpers", () => {
  let connection, ethers, helpers, time, owner, friend;

  before(async () => {
    connection = await hre.network.create("named");
    ({ ethers, networkHelpers: helpers } = connection);
    ({ time } = helpers);
    [owner, friend] = await ethers.getSigners();
  });
  after(() => connection.close());

  const deployed = async () => {
    const probe = await ethers.deployContract("Probe", [1n]);
    await probe.waitForDeployment();
    return { probe, height: await time.latestBlock() };
  };

  for (const round of ["first", "second", "third"]) {
    it(`loads a fixture as it was: ${round} test`, async () => {
      const { probe, height } = await helpers.loadFixture(deployed);
      assert.deepEqual([await probe.number(), await time.latestBlock()], [1n, height]);
      await (await probe.note(5n, round)).wait();
      assert.equal(await probe.number(), 6n);
    });
  }

  it("moves time", async () => {
    const start = await time.latest();
    assert.equal(await time.increase(3600), start + 3600);
    await time.increaseTo(start + 7200);
    assert.equal(await time.latest(), start + 7200);
    await time.setNextBlockTimestamp(start + 9000);
    const sent = await owner.sendTransaction({ to: friend.address });
    assert.equal((await (await sent.wait()).getBlock()).timestamp, start + 9000);
    await assert.rejects(time.increaseTo(start), /lower than or equal to previous block's timestamp/);
  });

  it("mines", async () => {
    const [height, start] = [await time.latestBlock(), await time.latest()];
    await helpers.mine(3, { interval: 60 });
    assert.equal(await time.latestBlock(), height + 3);
    assert.ok((await time.latest()) - start >= 120, "the blocks are not a minute apart");
    await helpers.mineUpTo(height + 10);
    assert.equal(await time.latestBlock(), height + 10);
  });

  it("edits accounts", async () => {
    const { probe } = await helpers.loadFixture(deployed);
    await helpers.setBalance(ANYBODY, ethers.parseEther("3"));
    await helpers.setNonce(ANYBODY, 9);
    await helpers.setCode(ANYBODY, await ethers.provider.getCode(probe));
    await helpers.setStorageAt(ANYBODY, 0, 77);
    assert.equal(await ethers.provider.getBalance(ANYBODY), ethers.parseEther("3"));
    assert.equal(await ethers.provider.getTransactionCount(ANYBODY), 9);
    assert.equal(await probe.attach(ANYBODY).number(), 77n);
    assert.equal(BigInt(await helpers.getStorageAt(ANYBODY, 0)), 77n);
  });

  it("impersonates accounts", async () => {
    const { probe } = await helpers.loadFixture(deployed);
    await helpers.setBalance(ANYBODY, ethers.parseEther("1"));
    const anybody = await ethers.getImpersonatedSigner(ANYBODY);
    const receipt = await (await probe.connect(anybody).note(2n, "impersonated")).wait();
    assert.deepEqual([receipt.from, await probe.notes(ANYBODY)], [ANYBODY, 2n]);
    await helpers.stopImpersonatingAccount(ANYBODY);
    await assert.rejects(anybody.sendTransaction({ to: owner.address, gasLimit: 50_000n }), /unknown account/);
  });

  it("restores a snapshot again and again", async () => {
    const { probe } = await helpers.loadFixture(deployed);
    const snapshot = await helpers.takeSnapshot();
    for (const key of [1n, 2n]) {
      await (await probe.note(key, "gone")).wait();
      assert.equal(await probe.number(), 1n + key);
      await snapshot.restore();
      assert.equal(await probe.number(), 1n);
    }
  });

  it("drops a waiting transaction", async () => {
    await ethers.provider.send("evm_setAutomine", [false]);
    const { hash } = await owner.sendTransaction({ to: friend.address });
    assert.equal(await helpers.dropTransaction(hash), true);
    assert.equal(await helpers.dropTransaction(hash), false);
    await ethers.provider.send("evm_setAutomine", [true]);
    assert.equal(await ethers.provider.getTransaction(hash), null);
  });

  it("says what is not offered: a block's rules are the chain's", async () => {
    for (const [helper, value] of [["setBlockGasLimit", 20_000_000], ["setCoinbase", ANYBODY], ["setNextBlockBaseFeePerGas", 7], ["setPrevRandao", 7]]) {
      await assert.rejects(helpers[helper](value), /the method (hardhat|evm)_\w+ does not exist\/is not available/, helper);
    }
  });

  it("serves no node that it does not know by name", async () => {
    const unknown = await hre.network.create("aurum");
    await assert.rejects(unknown.networkHelpers.mine(), /Aurum\/v\S+/);
    await unknown.close();
  });
});
