// Contracts of `hardhat/contracts`, compiled by the WebAssembly build of solc that `package.json` pins.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import solc from "solc";

/** `{ abi, bytecode, input }` of a contract; the input is what explorers and verifiers want. */
export const compile = (file, contract = file.replace(".sol", "")) => {
  const content = readFileSync(new URL(`hardhat/contracts/${file}`, import.meta.url), "utf8");
  const input = {
    language: "Solidity",
    sources: { [file]: { content } },
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
  const { abi, evm } = output.contracts[file][contract];
  return { abi, bytecode: `0x${evm.bytecode.object}`, input };
};

// On the command line: the bytecode alone.
if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(compile(process.argv[2]).bytecode);
