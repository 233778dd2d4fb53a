//! A network of network namespaces: every node has a machine of its own, as far as the kernel is concerned, on a switch
//! that can be split. Needs root and iproute2.
//!
//! ```text
//!  test ──management veth──▶ namespace of node i ──veth──▶ switch namespace: bridge 0 │ bridge 1
//! ```
//!
//! Peers talk through the switch, the test asks over the management link, which no partition touches. A split moves ports
//! from one bridge to the other: packets get lost, and nobody is told.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, ensure};

use crate::process::run;

/// What a test says that cannot run here, as `tests/expected-skips.txt` lists it.
pub const SKIPPED: &str = "SKIPPED: network namespaces need root";
/// Networks of this process so far.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// Whether this process may make network namespaces: it is root, and `ip` is installed.
pub fn available() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) && Command::new("ip").arg("-V").output().is_ok()
}

/// Where one node lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name of its namespace.
    pub namespace: String,
    /// Its address for peers.
    pub address: String,
    /// Its address for the test.
    pub management: String,
}

impl Host {
    /// Arguments with which `ip` becomes `program` on this host; the process id stays.
    pub fn inside(&self, program: &Path) -> [String; 4] {
        ["netns".to_owned(), "exec".to_owned(), self.namespace.clone(), program.display().to_string()]
    }
}

/// Some hosts on one switch. Dropping it removes the namespaces.
#[derive(Debug)]
pub struct Network {
    name: String,
    hosts: Vec<Host>,
}

impl Network {
    /// `count` hosts (at most 60) that all reach each other.
    ///
    /// # Errors
    /// When the kernel or `ip` refuses; nothing stays behind.
    pub fn new(count: usize) -> Result<Self> {
        ensure!(count <= 60, "a /24 of management links holds 60 hosts");
        remove_orphans()?;
        let id = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let mut network = Self { name: format!("aurum-{}-{id}", std::process::id()), hosts: Vec::new() };
        // RFC 2544 keeps 198.18.0.0/15 for tests of networks. The third octet tells two runs on one machine apart.
        network.build(count, (std::process::id() + id) % 256)?;
        Ok(network)
    }

    fn build(&mut self, count: usize, run: u32) -> Result<()> {
        let switch = self.switch();
        ip(&format!("netns add {switch}"))?;
        for bridge in 0..2 {
            ip(&format!("-n {switch} link add bridge{bridge} type bridge"))?;
            ip(&format!("-n {switch} link set bridge{bridge} up"))?;
        }
        for index in 0..count {
            let namespace = format!("{}-{index}", self.name);
            ip(&format!("netns add {namespace}"))?;
            let host = Host {
                address: format!("198.18.0.{}", index + 1),
                management: format!("198.19.{run}.{}", 4 * index + 2),
                namespace,
            };
            let ours = self.management_link(index);
            self.hosts.push(host.clone());
            let Host { namespace, address, management } = host;
            for command in [
                format!("-n {namespace} link set lo up"),
                format!("link add eth0 netns {namespace} type veth peer name port{index} netns {switch}"),
                format!("-n {namespace} addr add {address}/24 dev eth0"),
                format!("-n {namespace} link set eth0 up"),
                format!("-n {switch} link set port{index} master bridge0"),
                format!("-n {switch} link set port{index} up"),
                format!("link add {ours} type veth peer name eth1 netns {namespace}"),
                format!("addr add 198.19.{run}.{}/30 dev {ours}", 4 * index + 1),
                format!("link set {ours} up"),
                format!("-n {namespace} addr add {management}/30 dev eth1"),
                format!("-n {namespace} link set eth1 up"),
            ] {
                ip(&command)?;
            }
        }
        Ok(())
    }

    /// The hosts, in order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Hosts of `apart` hear each other and nobody else, as do the remaining ones.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn split(&self, apart: &[usize]) -> Result<()> {
        for index in 0..self.hosts.len() {
            let bridge = u8::from(apart.contains(&index));
            ip(&format!("-n {} link set port{index} master bridge{bridge}", self.switch()))?;
        }
        Ok(())
    }

    /// All reach each other again.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn heal(&self) -> Result<()> {
        self.split(&[])
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    /// Names of links have 15 characters at most.
    fn management_link(&self, index: usize) -> String {
        let suffix = self.name.trim_start_matches("aurum-").replace('-', ".");
        format!("au{suffix}.{index}")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for index in 0..self.hosts.len() {
            let _ = ip(&format!("link delete {}", self.management_link(index)));
            let _ = ip(&format!("netns delete {}", self.hosts[index].namespace));
        }
        let _ = ip(&format!("netns delete {}", self.switch()));
    }
}

/// Removes what test processes left that were killed.
fn remove_orphans() -> Result<()> {
    for line in ip("netns list")?.lines() {
        let Some(name) = line.split_whitespace().next() else { continue };
        let owner = name.strip_prefix("aurum-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && fs::metadata(format!("/proc/{pid}")).is_err()) {
            ip(&format!("netns delete {name}"))?;
        }
    }
    Ok(())
}

fn ip(arguments: &str) -> Result<String> {
    run(Path::new("ip"), arguments.split(' '), &[], None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(from: &Host, to: &Host) -> bool {
        // A refused connection is an answer; a lost one is none.
        let script = format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{}/9' 2>&1 | grep -q refused", to.address);
        run(Path::new("ip"), ["netns", "exec", &from.namespace, "bash", "-c", &script], &[], None).is_ok()
    }

    #[test]
    fn a_split_parts_hosts_and_a_heal_joins_them() -> Result<()> {
        if !available() {
            println!("{SKIPPED}");
            return Ok(());
        }
        let network = Network::new(3)?;
        let [a, b, c] = network.hosts() else { panic!("three hosts") };
        assert!(reaches(a, b) && reaches(b, c));
        network.split(&[2])?;
        assert!(reaches(a, b) && !reaches(a, c) && !reaches(c, b));
        network.heal()?;
        assert!(reaches(c, a));
        let namespace = a.namespace.clone();
        drop(network);
        assert!(!ip("netns list")?.contains(&namespace));
        Ok(())
    }
}
