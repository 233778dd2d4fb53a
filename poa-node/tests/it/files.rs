//! A chain leaves one folder and enters another: as a file of blocks, and as a snapshot.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use alloy::primitives::keccak256;
use serde_json::{Value, json};

/// The development chain's only authority seals here, with its key in a keystore.
struct Network {
    folder: tempfile::TempDir,
}

impl Network {
    fn new() -> Self {
        let network = Self { folder: tempfile::tempdir().unwrap() };
        let mut spec: Value = serde_json::from_str(include_str!("../../src/dev/spec.json")).unwrap();
        spec["accounts"]["0x00000000000000000000000000000000000000aa"] =
            json!({ "balance": "7", "storage": { "0x1": "0x2" }, "code": "0x00" });
        fs::write(network.path("spec.json"), spec.to_string()).unwrap();
        network
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, base: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poa-node"));
        command.args(args).arg("--chain").arg(self.path("spec.json")).arg("-d").arg(self.path(base));
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end; gives its JSON and whether the exit code was 0.
    fn run(&self, base: &str, args: &[&str]) -> (Value, bool) {
        let output = self.command(base, args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}{log}"));
        (json, output.status.success())
    }

    /// A node that seals until it has `blocks`; stopped in order.
    fn grow(&self, base: &str, blocks: u64) {
        let keys = self.path(base).join("keys/dev");
        if !keys.exists() {
            fs::create_dir_all(&keys).unwrap();
            let secret =
                keygen::Secret::from_bytes(alloy::primitives::keccak256("aurum development authority").as_slice());
            let password = keygen::Password::from("secret");
            keygen::create_account(&keys, &secret.unwrap(), Some(&password)).unwrap();
            fs::write(self.path("password"), "secret\n").unwrap();
        }
        let mut node = self
            .node(base, &["--engine-signer", "0x5bdfec4f0d00b53d56f824e59aa0ca3e1f490bd1", "--password", "password"]);
        node.wait_for(blocks);
        node.stop();
    }

    fn node(&self, base: &str, args: &[&str]) -> Node {
        let log = self.path(&format!("{base}.log"));
        let mut all = vec!["--no-jsonrpc", "--no-ws", "--port", "0"];
        all.extend(args);
        let child =
            self.command(base, &all).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        Node { child, log }
    }
}

struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn until(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !done(&self.log()) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what}: the node ended with {status}: {}", self.log());
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{what}: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for(&mut self, number: u64) {
        let sealed = format!("number={number} ");
        self.until("sealing", |log| log.lines().any(|line| line.contains("sealed block") && line.contains(&sealed)));
    }

    fn stop(mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        Command::new("kill").arg("-TERM").arg(id.to_string()).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn blocks_and_state_move_to_other_folders() {
    let network = Network::new();
    network.grow("a", 6);

    // Out, in both forms.
    let (report, success) = network.run("a", &["export", "blocks", "blocks.rlp"]);
    assert!(success, "{report}");
    let latest = report["to"].as_u64().unwrap();
    assert!(latest >= 6 && report["from"] == 1 && report["blocks"] == latest, "{report}");
    let (report, success) =
        network.run("a", &["export", "blocks", "part.hex", "--format", "hex", "--from", "2", "--to", "4"]);
    assert!(success && report["blocks"] == 3, "{report}");
    assert_eq!(fs::read_to_string(network.path("part.hex")).unwrap().lines().count(), 3);
    let (report, success) = network.run("a", &["export", "blocks", "none.rlp", "--to", "1000000"]);
    assert!(!success && report["error"].as_str().unwrap().contains("1000000"), "{report}");
    assert!(!network.path("none.rlp").exists(), "a file that could not be written whole is not there");

    importing(&network, latest);
    compacting(&network);
    snapshots(&network, latest);
}

fn importing(network: &Network, latest: u64) {
    // In, once and again.
    let (report, success) = network.run("b", &["import", "blocks.rlp"]);
    assert!(success, "{report}");
    assert_eq!(
        (&report["imported"], &report["known"], &report["latest"]["number"]),
        (&json!(latest), &json!(0), &json!(latest))
    );
    let (again, success) = network.run("b", &["import", "blocks.rlp"]);
    assert!(success && again["imported"] == 0 && again["known"] == latest, "{again}");
    assert_eq!(again["latest"], report["latest"]);
    // The other folder's chain is the same one: it gives the same bytes.
    network.run("b", &["export", "blocks", "again.rlp"]);
    let bytes = fs::read(network.path("blocks.rlp")).unwrap();
    assert_eq!(fs::read(network.path("again.rlp")).unwrap(), bytes);

    // A gap, a cut and a flipped bit are named, and what came before is kept.
    let (report, success) = network.run("c", &["import", "part.hex"]);
    assert!(!success && report["block"]["rule"] == "unknown_parent" && report["block"]["number"] == 2, "{report}");
    fs::write(network.path("cut.rlp"), &bytes[..bytes.len() - 1]).unwrap();
    let (report, success) = network.run("c", &["import", "cut.rlp"]);
    assert!(!success && report["imported"] == latest - 1 && report["block"]["rule"] == "file", "{report}");
    let mut flipped = bytes;
    // In the state root of the first block: after list and header heads, parent, uncles and author.
    flipped[3 + 3 + 33 + 33 + 21 + 5] ^= 1;
    fs::write(network.path("flipped.rlp"), &flipped).unwrap();
    let (report, success) = network.run("d", &["import", "flipped.rlp"]);
    assert!(!success && report["imported"] == 0 && report["block"]["number"] == 1, "{report}");
    // The seal covers the root: whoever changed it is not the proposer.
    assert_eq!(report["block"]["rule"], "proposer", "{report}");

    // Killed at any moment, the import is repeated.
    let mut child =
        network.command("e", &["import", "blocks.rlp"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    let (report, success) = network.run("e", &["import", "blocks.rlp"]);
    assert!(success && report["latest"]["number"] == latest, "{report}");
    assert_eq!(report["imported"].as_u64().unwrap() + report["known"].as_u64().unwrap(), latest);

    // While a node runs its folder is its own.
    let mut node = network.node("b", &[]);
    node.until("start", |log| log.contains("ready"));
    let commands: [&[_]; 4] =
        [&["import", "blocks.rlp"], &["export", "blocks", "x.rlp"], &["snapshot", "create", "x.snap"], &["compact"]];
    for args in commands {
        let (report, success) = network.run("b", args);
        let error = report["error"].as_str().unwrap();
        assert!(!success && error.contains("in use"), "{args:?}: {error}");
    }
    node.stop();
}

fn compacting(network: &Network) {
    let (report, success) = network.run("b", &["compact"]);
    assert!(success, "{report}");
    let (before, after) = (report["before"].as_u64().unwrap(), report["after"].as_u64().unwrap());
    assert!(before > 0 && after > 0, "{report}");
    network.run("b", &["export", "blocks", "compacted.rlp"]);
    let blocks = |name| fs::read(network.path(name)).unwrap();
    assert!(blocks("compacted.rlp") == blocks("blocks.rlp"), "the chain is the same");
    let (report, success) = network.run("nowhere", &["compact"]);
    assert!(!success && report["error"].as_str().unwrap().contains("no chain"), "{report}");
    assert!(!network.path("nowhere").exists(), "compacting makes nothing");
}

fn snapshots(network: &Network, latest: u64) {
    let (made, success) = network.run("b", &["snapshot", "create", "state.snap"]);
    assert!(success, "{made}");
    assert_eq!((&made["number"], &made["certificate"]), (&json!(latest), &Value::Null), "{made}");
    assert!(made["slots"].as_u64().unwrap() >= 1 && made["codes"].as_u64().unwrap() >= 1, "{made}");
    let (verified, success) = network.run("nowhere", &["snapshot", "verify", "state.snap"]);
    assert!(success && verified == made, "{verified}");
    assert!(!network.path("nowhere").exists(), "verifying makes nothing");

    let bytes = fs::read(network.path("state.snap")).unwrap();
    for (name, damaged) in [
        ("cut", bytes[..bytes.len() - 1].to_vec()),
        ("flipped", {
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 2] ^= 1;
            flipped
        }),
    ] {
        fs::write(network.path(name), damaged).unwrap();
        let (report, success) = network.run("f", &["snapshot", "verify", name]);
        assert!(!success && report["error"].as_str().unwrap().contains("damaged"), "{name}: {report}");
        let (report, success) = network.run("f", &["snapshot", "restore", name]);
        assert!(!success && report["error"].as_str().unwrap().contains("damaged"), "{name}: {report}");
        assert!(!network.path("f/chains/dev/db").exists() && !network.path("f/chains/dev/db.restoring").exists());
    }
    lies(network, &bytes);
    // As a restore that was killed leaves it: a node says so instead of starting from nothing.
    fs::create_dir_all(network.path("f/chains/dev/db.restoring")).unwrap();
    fs::write(network.path("f/chains/dev/db.restoring/CURRENT"), "MANIFEST-000001\n").unwrap();
    let node = network.command("f", &["--no-jsonrpc", "--no-ws", "--port", "0"]).output().unwrap();
    let log = String::from_utf8_lossy(&node.stderr).into_owned();
    assert!(!node.status.success() && log.contains("interrupted"), "{log}");

    let (restored, success) = network.run("f", &["snapshot", "restore", "state.snap"]);
    assert!(success && restored == made, "{restored}");
    assert!(!network.path("f/chains/dev/db.restoring").exists());
    let (report, success) = network.run("f", &["snapshot", "restore", "state.snap"]);
    assert!(!success && report["error"].as_str().unwrap().contains("already"), "{report}");

    // It follows: the chain grows where it was made, and the new blocks enter.
    network.grow("a", latest + 4);
    network.run("a", &["export", "blocks", "more.rlp", "--from", &(latest + 1).to_string()]);
    let (report, success) = network.run("f", &["import", "more.rlp"]);
    assert!(success && report["latest"]["number"].as_u64().unwrap() >= latest + 4, "{report}");
    // And it seals by itself.
    let keys = network.path("f/keys/dev");
    fs::create_dir_all(&keys).unwrap();
    for entry in fs::read_dir(network.path("a/keys/dev")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), keys.join(entry.file_name())).unwrap();
    }
    fs::copy(network.path("a/chains/dev/last_sealed"), network.path("f/chains/dev/last_sealed")).unwrap();
    let next = report["latest"]["number"].as_u64().unwrap() + 2;
    network.grow("f", next);
}

/// A snapshot with every chunk as `change` gives it (`None` leaves it out), checksums made anew: the format as it is
/// documented, written a second time.
fn rewritten(bytes: &[u8], mut change: impl FnMut(usize, u8, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let (magic, mut rest) = bytes.split_at(16);
    let mut out = magic.to_vec();
    let mut before = keccak256(magic);
    let mut index = 0;
    while let [kind, a, b, c, d, chunk @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if let Some(payload) = change(index, *kind, &chunk[..length]) {
            let mut head = vec![*kind];
            head.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            before = keccak256([before.as_slice(), &head, &payload].concat());
            out.extend([&head[..], &payload, before.as_slice()].concat());
        }
        rest = &chunk[length + 32..];
        index += 1;
    }
    out
}

/// Checksums keep nobody from lying; everything but the manifest's consensus state is proved.
fn lies(network: &Network, bytes: &[u8]) {
    let keep = |_: usize, _: u8, payload: &[u8]| Some(payload.to_vec());
    assert_eq!(rewritten(bytes, keep), bytes, "the format is the documented one");
    let mut chunks = Vec::new();
    rewritten(bytes, |index, kind, payload| {
        chunks.push((index, kind, payload.len()));
        keep(index, kind, payload)
    });
    let refused = |what: &str, lie: Vec<u8>| {
        fs::write(network.path("lie"), lie).unwrap();
        let (report, success) = network.run("f", &["snapshot", "verify", "lie"]);
        assert!(!success && report["error"].is_string(), "{what}: {report}");
    };
    for (lied, kind, length) in chunks.iter().copied().filter(|(_, kind, _)| *kind != 1) {
        refused("a chunk is left out", rewritten(bytes, |index, _, payload| (index != lied).then(|| payload.to_vec())));
        for position in [0, length / 3, length / 2, length.saturating_sub(1)] {
            let lie = rewritten(bytes, |index, _, payload| {
                let mut payload = payload.to_vec();
                if index == lied && position < payload.len() {
                    payload[position] ^= 1;
                }
                Some(payload)
            });
            refused(&format!("byte {position} of a chunk of kind {kind}"), lie);
        }
    }
}
