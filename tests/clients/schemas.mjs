// The schemas of answers. The document comes with @metamask/api-specs; what it lacks is written here from the specification, of the
// document's own parts.
import { createRequire } from "node:module";
import Ajv from "ajv/dist/2019.js";

const openrpc = createRequire(import.meta.url)("@metamask/api-specs").default;
const schemas = structuredClone(openrpc.components.schemas);
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const list = (items) => ({ type: "array", items });
const object = (properties, optional = []) => ({
  type: "object", additionalProperties: false, properties, required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
const boolean = { type: "boolean" };
const nothing = (schema) => ({ if: { type: "null" }, else: schema });

// `oneOf` says which branch fails only if it is known which is meant: here the type tells. The document's own
// `unevaluatedProperties: false` beside `allOf` sees none of the other branch's properties, so no transaction could pass it.
const authorization = object({
  chainId: ref("uint"), address: ref("address"), nonce: ref("uint"), yParity: ref("uint"), r: ref("uint"), s: ref("uint"),
});
schemas.Transaction7702Signed = {
  allOf: [
    {
      ...schemas.Transaction1559Unsigned,
      properties: { ...schemas.Transaction1559Unsigned.properties, type: { type: "string", pattern: "^0x4$" }, to: ref("address"), authorizationList: list(authorization) },
      required: [...schemas.Transaction1559Unsigned.required, "to", "authorizationList"],
    },
    schemas.Transaction1559Signed.allOf[1],
  ],
};
const byType = { "0x0": "TransactionLegacySigned", "0x1": "Transaction2930Signed", "0x2": "Transaction1559Signed", "0x4": "Transaction7702Signed" };
const { unevaluatedProperties: _, ...context } = schemas.TransactionInfo.allOf[0];
const signed = Object.entries(byType).map(([type, name]) => ({ if: { properties: { type: { const: type } } }, then: ref(name) }));
schemas.TransactionInfo = { type: "object", properties: { type: { enum: Object.keys(byType) } }, allOf: [context, ...signed] };
schemas.Block.properties.transactions = list({ if: { type: "string" }, then: ref("hash32"), else: ref("TransactionInfo") });
schemas.FilterResults = list({ if: { type: "string" }, then: ref("hash32"), else: ref("Log") });
const { transactions: _t, uncles: _u, withdrawals: _w, size: _s, ...header } = schemas.Block.properties;
const headerObject = { ...schemas.Block, properties: header, required: schemas.Block.required.filter((name) => name in header) };
const failure = { type: "object", required: ["code", "message"], properties: { code: { type: "integer" }, message: { type: "string" }, data: ref("bytes") } };
const simulatedCall = object(
  { status: ref("uint"), returnData: ref("bytes"), gasUsed: ref("uint"), maxUsedGas: ref("uint"), logs: list(ref("Log")), error: failure }, ["error", "maxUsedGas"],
);

// Of a transaction that waits, by execution-apis' txpool_content: the block it is in is none.
const waiting = { allOf: [{ type: "object", required: ["hash", "from"], properties: { blockHash: { type: "null" }, blockNumber: { type: "null" }, transactionIndex: { type: "null" } } }, ...signed] };
const byNonce = (schema) => ({ type: "object", additionalProperties: false, patternProperties: { "^(0|[1-9][0-9]*)$": schema } });
const byAddress = (schema) => ({ type: "object", propertyNames: ref("address"), additionalProperties: byNonce(schema) });
const pool = (schema) => object({ pending: schema, queued: schema });

// Results that the document does not have.
const results = {
  debug_getRawBlock: ref("bytes"),
  debug_getRawHeader: ref("bytes"),
  debug_getRawReceipts: list(ref("bytes")),
  debug_getRawTransaction: ref("bytes"),
  eth_blobBaseFee: ref("uint"),
  eth_createAccessList: object({ accessList: ref("AccessList"), gasUsed: ref("uint"), error: { type: "string" } }, ["error"]),
  eth_getBlockReceipts: nothing(list(ref("ReceiptInfo"))),
  eth_getHeaderByHash: nothing(headerObject),
  eth_getHeaderByNumber: nothing(headerObject),
  eth_getRawTransactionByBlockHashAndIndex: ref("bytes"),
  eth_getRawTransactionByBlockNumberAndIndex: ref("bytes"),
  eth_getRawTransactionByHash: ref("bytes"),
  eth_getUncleByBlockHashAndIndex: nothing(headerObject),
  eth_getUncleByBlockNumberAndIndex: nothing(headerObject),
  eth_hashrate: ref("uint"),
  eth_maxPriorityFeePerGas: ref("uint"),
  eth_mining: boolean,
  eth_protocolVersion: { type: "string" },
  eth_sign: ref("bytes65"),
  eth_signTransaction: object({ raw: ref("bytes"), tx: { type: "object" } }),
  eth_simulateV1: list({ ...schemas.Block, properties: { ...schemas.Block.properties, calls: list(simulatedCall) }, required: [...schemas.Block.required, "calls"] }),
  net_listening: boolean,
  net_peerCount: ref("uint"),
  net_version: { type: "string", pattern: "^[1-9][0-9]*$" },
  txpool_content: pool(byAddress(waiting)),
  txpool_contentFrom: pool(byNonce(waiting)),
  txpool_inspect: pool(byAddress({ type: "string" })),
  txpool_status: pool(ref("uint")),
  web3_sha3: ref("bytes32"),
};
for (const { name, result } of openrpc.methods) {
  const branches = result?.schema?.oneOf;
  const schema = branches?.[0]?.$ref?.endsWith("/notFound") ? nothing(branches[1]) : result?.schema;
  if (!name.startsWith("wallet_") && !(name in results)) results[name] = schema;
}
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: "apis", components: { schemas } });
const local = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"apis#/components'));
/** What holds an answer against its schema, by method. */
export const checks = new Map(Object.entries(results).map(([name, schema]) => [name, ajv.compile(local(schema))]));
