# Sourced by tests/docker/run: docker/company for a consortium of one, as its README says, by a user who is neither root nor
# the image's: ceremony, node, a public chain beside it, `bridge-relayer deploy`, relayer, pages, and a deposit that arrives.

company_home=$work/company
# The first account of every development chain; `poa-node dev` signs for it, on loopback only.
holder=f39fd6e51aad88f6f4ce6ab8827279cfffb92266

tool() { docker run --rm --user 4242:4242 --tmpfs /tmp -v "$company_home/config:/config" -w /config aurum:local "$@"; }
company() { (cd "$company_home" && COMPOSE_PROJECT_NAME=acme docker-compose "$@"); }
field() { sed -nE "s/.*\"$1\": *\"([^\"]*)\".*/\1/p"; }
word() { printf '%064s' "${1#0x}" | tr ' ' 0; }

company_starts() {
    local home=$company_home operator
    mkdir -p "$home/config" "$home/data/node" "$home/data/relayer"
    cp docker/company/docker-compose.yml "$home/"
    printf 'COMPANY=acme\nAURUM_UID=4242\nAURUM_GID=4242\n' >"$home/.env"
    chmod 700 "$home/config"
    chown -R 4242:4242 "$home/config" "$home/data"
    tool keygen authority --name acme --endpoint node.acme.example:30303 --out acme &&
        tool keygen account new --out operator &&
        operator=$(address_of operator) &&
        tool keygen spec acme/authority.json --name home --chain-id 2026 --step-duration 2 --gas-price free \
            --grant "$operator=read,basic,call,create" --out shared &&
        tool keygen spec check shared/spec.json &&
        tool cp shared/spec.json shared/reserved_peers . &&
        tool cp shared/acme/authority.toml acme/ &&
        company up -d node &&
        until_holds 60 seals
}
seals() { [ "$(head_of 8545)" -ge 2 ]; }

# A keystore's file, and its address: folder.
keystore_of() { (cd "$company_home/config" && ls "$1"/UTC--*); }
address_of() { field address <"$company_home/config/$(keystore_of "$1")" | sed 's/^\(0x\)\{0,1\}/0x/'; }

# The public chain, where the token is and the operator and the relayer can pay.
public_chain() {
    docker run -d --name acme-public --network acme_default --network-alias public-chain --user 4242:4242 --tmpfs /tmp \
        --tmpfs /data:uid=4242 -e AURUM_BASE_PATH=/data -e AURUM_JSONRPC_INTERFACE=all -e AURUM_JSONRPC_HOSTS=public-chain \
        aurum:local poa-node dev --block-time=1 &&
        until_holds 60 public eth_blockNumber '[]' || return 1
    local code
    code=$(field bytecode <contracts/artifacts/RlcLikeToken.json)
    token=$(sent "\"data\":\"$code$(word $holder)$(word "$(printf '%x' 1000000000000)")\"" contractAddress) &&
        sent "\"to\":\"$(address_of operator)\",\"value\":\"0x8ac7230489e80000\"" status &&
        sent "\"to\":\"$(address_of acme/keys)\",\"value\":\"0x8ac7230489e80000\"" status
}
# Calls of the public chain from within its container.
public() { # method, parameters
    docker exec acme-public curl -fsS -m 5 -H 'Content-Type: application/json' http://127.0.0.1:8545 \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}"
}
# Sends a transaction of the holder and prints a field of its receipt: fields, what to print.
sent() {
    local hash receipt
    hash=$(public eth_sendTransaction "[{\"from\":\"0x$holder\",$1}]" | field result)
    [ -n "$hash" ] || return 1
    mined() { receipt=$(public eth_getTransactionReceipt "[\"$hash\"]") && [ "$(field status <<<"$receipt")" = 0x1 ]; }
    until_holds 30 mined && field "$2" <<<"$receipt"
}

company_bridges() {
    local config=$company_home/config operator relayer
    operator=$(keystore_of operator) relayer=$(keystore_of acme/keys)
    # The examples, with what a company fills in.
    sed -e "s|operator/UTC--…|$operator|; s|https://mainnet.example|http://public-chain:8545|; s|^threshold.*|threshold = 1|" \
        -e "s|\"0x0*1\",|\"$(address_of acme/keys)\",|; /\"0x0*[2-9]\",/d" \
        -e "s|0x607F4C5BB672230e8672085532f7e901544a7375|$token|" docker/company/example/deploy.toml >"$config/deploy.toml"
    sed -e "s|acme/keys/UTC--…|$relayer|; s|https://mainnet.example|http://public-chain:8545|" \
        docker/company/example/relayer.toml >"$config/relayer.toml"
    sed -e "s|https://mainnet.example|http://public-chain:8545|" docker/company/example/ui.toml >"$config/ui.toml"
    chown -R 4242:4242 "$config"
    company run --rm --no-deps -T -v "$config:/deploy" relayer bridge-relayer deploy --config /deploy/deploy.toml &&
        company --profile ui up -d &&
        until_holds 120 answers 8580/health &&
        until_holds 120 answers 8080/health
}
answers() { inside curl -fsS -m 5 "http://127.0.0.1:$1"; }

# 5 RLC of the holder arrive at home for the operator.
company_deposit() {
    local bridge amount
    amount=$(word "$(printf '%x' 5000000000)") bridge=$(in_addresses foreign bridge)
    # approve(bridge, amount), then deposit(token, amount, recipient).
    sent "\"to\":\"$token\",\"data\":\"0x095ea7b3$(word "$bridge")$amount\"" status &&
        sent "\"to\":\"$bridge\",\"data\":\"0xf45346dc$(word "$token")$amount$(word "$(address_of operator)")\"" status &&
        until_holds 60 arrived "$amount"
}
in_addresses() { # a side, or tokens; field
    tr -d ' \n' <"$company_home/config/addresses.json" | sed -nE "s/.*\"$1\":[[{][^}]*\"$2\":\"(0x[0-9a-fA-F]{40})\".*/\1/p"
}
arrived() { # balanceOf(operator)
    [ "$(rpc 8545 eth_call "[{\"to\":\"$(in_addresses tokens home)\",\"data\":\"0x70a08231$(word "$(address_of operator)")\"},\"latest\"]")" = "0x$1" ]
}
