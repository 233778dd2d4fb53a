// `rpc.discover` answers with an OpenRPC document: it is what the specification's own schema says, every parameter and result in
// it is described by JSON Schema (draft 7), and its examples are what those describe.
// node discover.mjs RPC
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import Ajv from "ajv";
import { Chain } from "./history.mjs";

const [rpc] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const document = await new Chain(rpc).result("rpc.discover");

// The specification's schema takes JSON Schema from a page, which has draft 7 under other names.
const draft7 = require("ajv/dist/refs/json-schema-draft-07.json");
const PAGE = "https://meta.json-schema.tools";
const page = { ...draft7, $id: `${PAGE}/`, definitions: { ...draft7.definitions, JSONSchemaObject: { properties: { $ref: { type: "string" } } } } };
const { $schema: _, ...openrpc } = require("@open-rpc/meta-schema").default;
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const check = ajv.addSchema(page, PAGE).compile(openrpc);
assert.ok(check(document), JSON.stringify(check.errors?.slice(0, 5), null, 1));

// The check can fail: a method without parameters, a schema of no kind, a version that is none.
const spoils = [(copy) => delete copy.methods[0].params, (copy) => (copy.methods[3].result.schema.type = "text"), (copy) => (copy.openrpc = "9")];
for (const spoil of spoils) {
  const copy = structuredClone(document);
  spoil(copy);
  assert.ok(!check(copy), `${spoil} is not noticed`);
}

const compiled = (schema, where) => {
  assert.ok(ajv.validateSchema(schema), `${where}: ${ajv.errorsText()}`);
  return ajv.compile(schema);
};
const faults = [];
let described = 0;
for (const { name, params, result, examples } of document.methods) {
  const kinds = params.map((param) => [param, compiled(param.schema, `${name} ${param.name}`)]);
  const outcome = compiled(result.schema, `${name} result`);
  described += kinds.length + 1;
  // The document is not in the document.
  assert.ok(examples.length > 0 || name === "rpc.discover", `${name} has no example`);
  for (const example of examples) {
    example.params.forEach(({ value }, index) => kinds[index][1](value) || faults.push(`${name} ${kinds[index][0].name}: ${JSON.stringify(value)}`));
    if (!outcome(example.result.value)) faults.push(`${name} result: ${JSON.stringify(example.result.value).slice(0, 200)}`);
  }
}
assert.deepEqual(faults, []);
assert.equal(new Set(document.methods.map(({ name }) => name)).size, document.methods.length, "a name stands twice");
console.log(`${document.methods.length} methods, ${described} schemas`);
