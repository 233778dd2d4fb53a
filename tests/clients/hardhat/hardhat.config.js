// A project as people have it, for chains that are already running: RPC and KEY say which and whose, NAMED is one that calls
// itself a Hardhat node. The compiler is the package's, so nothing is downloaded; OUT takes what is built.
import { fileURLToPath } from "node:url";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatNetworkHelpers from "@nomicfoundation/hardhat-network-helpers";
import hardhatNodeTestRunner from "@nomicfoundation/hardhat-node-test-runner";
import hardhatUpgrades from "@openzeppelin/hardhat-upgrades";
import { defineConfig } from "hardhat/config";

const { RPC, NAMED, KEY, OUT } = process.env;

export default defineConfig({
  plugins: [hardhatEthers, hardhatNetworkHelpers, hardhatNodeTestRunner, hardhatUpgrades],
  solidity: {
    version: "0.8.37",
    path: fileURLToPath(new URL("../../node_modules/solc/soljson.js", import.meta.url)),
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 200 },
      // What OpenZeppelin's validation reads.
      outputSelection: { "*": { "*": ["storageLayout"] } },
    },
  },
  paths: { artifacts: `${OUT}/artifacts`, cache: `${OUT}/cache` },
  networks: {
    aurum: { type: "http", chainType: "l1", url: RPC, accounts: [KEY] },
    // The node's own accounts.
    unlocked: { type: "http", chainType: "l1", url: RPC, accounts: "remote" },
    named: { type: "http", chainType: "l1", url: NAMED, accounts: "remote" },
  },
});
