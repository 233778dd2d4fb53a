// OpenZeppelin Upgrades: the plugin's own validation, deployment and upgrade of each kind of proxy.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { upgrades } from "@openzeppelin/hardhat-upgrades";
import hre from "hardhat";

describe("OpenZeppelin Upgrades", () => {
  let connection, ethers, signer, api, Box, BoxTwo;

  before(async () => {
    connection = await hre.network.create("aurum");
    ({ ethers } = connection);
    [signer] = await ethers.getSigners();
    api = await upgrades(hre, connection);
    [Box, BoxTwo] = [await ethers.getContractFactory("Box"), await ethers.getContractFactory("BoxTwo")];
  });
  after(() => connection.close());

  for (const kind of ["uups", "transparent"]) {
    it(`deploys a proxy and upgrades it: ${kind}`, async () => {
      const options = { kind, unsafeAllow: kind === "transparent" ? ["delegatecall"] : [] };
      const box = await api.deployProxy(Box, [signer.address, 21n], options);
      await box.waitForDeployment();
      const address = await box.getAddress();
      assert.deepEqual([await box.value(), await box.version()], [21n, "one"]);
      const first = await api.erc1967.getImplementationAddress(address);

      const two = await api.upgradeProxy(address, BoxTwo, options);
      await two.deployTransaction.wait();
      await (await two.double()).wait();
      assert.deepEqual([await two.value(), await two.doubled(), await two.version()], [21n, 42n, "two"]);
      assert.notEqual(await api.erc1967.getImplementationAddress(address), first);
    });
  }

  it("deploys a beacon with two proxies and upgrades both at once", async () => {
    const beacon = await api.deployBeacon(Box, { unsafeAllow: ["delegatecall"] });
    await beacon.waitForDeployment();
    const boxes = [];
    for (const start of [1n, 2n]) boxes.push(await api.deployBeaconProxy(beacon, Box, [signer.address, start]));
    for (const box of boxes) await box.waitForDeployment();
    const upgraded = await api.upgradeBeacon(beacon, BoxTwo, { unsafeAllow: ["delegatecall"] });
    await upgraded.deployTransaction.wait();
    for (const box of boxes) assert.equal(await box.version(), "two");
  });

  it("refuses an implementation whose storage does not fit", async () => {
    const box = await api.deployProxy(Box, [signer.address, 1n], { kind: "uups" });
    const astray = api.upgradeProxy(await box.getAddress(), await ethers.getContractFactory("BoxAstray"), { kind: "uups" });
    await assert.rejects(astray, /storage layout is incompatible/i);
  });
});
