# One image with every program of the system. Works with the classic builder and with BuildKit.
ARG BUILD_BASE=debian:bookworm-slim
FROM ${BUILD_BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates curl libclang-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
ARG RUST_VERSION=1.95.0
ENV RUSTUP_HOME=/opt/rustup CARGO_HOME=/opt/cargo PATH=/opt/cargo/bin:$PATH
# A base image that brings its own toolchain is used as it is.
RUN command -v cargo >/dev/null \
    || curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs \
    | sh -s -- -y --no-modify-path --profile minimal --default-toolchain "$RUST_VERSION"
WORKDIR /src
COPY . .
# What is stripped below needs no debug information, and nothing is compiled twice here.
ENV CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=0
RUN cargo build --release --locked --bin poa-node --bin keygen --bin bridge-relayer --bin bridge-ui --bin devnet \
    && mkdir -p /out \
    && cp target/release/poa-node target/release/keygen target/release/bridge-relayer target/release/bridge-ui \
          target/release/devnet /out/ \
    && strip /out/* \
    && rm -rf target

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --create-home --home-dir /home/aurum aurum
# An empty named volume takes over owner and mode of the folder it is mounted on.
RUN install -d -o aurum -g aurum -m 0750 /data /operator /company /company/1 /company/2 /company/3 /company/4 \
    && install -d -o aurum -g aurum -m 0755 /config /shared
COPY --from=build /out/ /usr/local/bin/
USER aurum
WORKDIR /data
# JSON-RPC, WebSocket, peers, metrics, pages, relayer API
EXPOSE 8545 8546 30303 9545 8080 8580
CMD ["poa-node", "--help"]
