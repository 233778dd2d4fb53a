"""A penniless account with web3.py and no fee option: sends, deploys, calls, reads the event, waits for finality; and is
told why where it may not.

with_web3.py RPC KEY STRANGERS_KEY ARTIFACT
"""

import json
import sys
import time
from importlib.metadata import version

from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.middleware import SignAndSendRawMiddlewareBuilder

LIMIT = 60


def expect(holds, what):
    if not holds:
        raise SystemExit(what)


def client(rpc, key):
    """A client that signs with `key` whatever that account sends."""
    w3 = Web3(Web3.HTTPProvider(rpc, request_kwargs={"timeout": LIMIT}))
    account = w3.eth.account.from_key(key)
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    w3.eth.default_account = account.address
    return w3


rpc, key, strangers_key, artifact_file = sys.argv[1:]
w3 = client(rpc, key)
me = w3.eth.default_account
expect(w3.eth.get_balance(me) == 0, "the account has coins")

sent = w3.eth.send_transaction({"to": "0x000000000000000000000000000000000000dEaD", "value": 0})
receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=LIMIT, poll_latency=0.2)
expect(receipt.status == 1 and receipt.effectiveGasPrice == 0, f"the transfer cost {receipt.effectiveGasPrice} a gas")

with open(artifact_file, encoding="utf-8") as file:
    artifact = json.load(file)
bytecode = artifact["bytecode"]
bytecode = bytecode["object"] if isinstance(bytecode, dict) else bytecode
factory = w3.eth.contract(abi=artifact["abi"], bytecode=bytecode)
created = w3.eth.wait_for_transaction_receipt(factory.constructor(me, 1_000).transact(), timeout=LIMIT, poll_latency=0.2)
token = w3.eth.contract(address=created.contractAddress, abi=artifact["abi"])
moving = token.functions.transfer("0x000000000000000000000000000000000000bEEF", 400).transact()
moved = w3.eth.wait_for_transaction_receipt(moving, timeout=LIMIT, poll_latency=0.2)
expect(token.functions.balanceOf(me).call() == 600, "the token did not move")
(event,) = token.events.Transfer().get_logs(from_block=moved.blockNumber, to_block=moved.blockNumber)
expect(event.args.value == 400, f"the event says {event.args}")

block = w3.eth.get_block(moved.blockNumber, full_transactions=True)
expect(moving in [transaction.hash for transaction in block.transactions], "the block does not show the transaction")
deadline = time.monotonic() + LIMIT
while w3.eth.get_block("finalized").number < moved.blockNumber:
    expect(time.monotonic() < deadline, "the block does not become final")
    time.sleep(0.2)
expect(w3.eth.get_balance(me) == 0, "gas cost something")

stranger = client(rpc, strangers_key)
try:
    factory = stranger.eth.contract(abi=artifact["abi"], bytecode=bytecode)
    factory.constructor(stranger.eth.default_account, 1).transact({"gas": 3_000_000})
    raise SystemExit("a creation without the right was taken")
except Web3RPCError as refusal:
    error = refusal.rpc_response["error"]
    expect(error["code"] == -32010 and error["data"]["needed"] == "create", f"refused with {error}")

print(f"web3.py {version('web3')} deployed {token.address} in block {created.blockNumber}")
