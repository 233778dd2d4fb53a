//! The pages in a real browser: its engine accepts the scripts under our policy, and they change the page.

use std::{path::Path, process::Command};

use crate::support::System;

const CHROMIUM: &str = "/usr/bin/chromium";

/// The page's document after its scripts ran.
fn dom(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                 --disable-component-update --disable-sync --virtual-time-budget=4000 --dump-dom";
    let output = Command::new("timeout")
        .args(["60", CHROMIUM])
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_run_under_the_policy() {
    if !Path::new(CHROMIUM).exists() {
        println!("SKIPPED: no {CHROMIUM}");
        return;
    }
    let system = System::start().await;
    let url = system.url("/?from=home&amount=1.5");
    let html = tokio::task::spawn_blocking(move || dom(&url)).await.unwrap();
    assert!(html.contains("Add Home to wallet"), "the script names the network: {html}");
    assert!(html.contains("Connect a wallet first"), "{html}");
    assert!(html.contains("1.5 RLC"), "the server's judgement is shown: {html}");
}
