//! The plain count that `make test` ends with counts every test once, as what it was.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use aurum_tests::tools;

const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="6" failures="1">
    <testsuite name="one" tests="6" failures="1">
        <testcase name="works" classname="one" time="0.025">
            <system-out>
test works ... ok
</system-out>
            <system-err></system-err>
        </testcase>
        <testcase name="is_silent" classname="one" time="0.025"/>
        <testcase name="cannot" classname="one" time="0.025">
            <system-out>
SKIPPED: vectors folder absent
SKIPPED: vectors folder absent
</system-out>
        </testcase>
        <testcase name="cannot_either" classname="one" time="0.025">
            <system-out>SKIPPED: not installed: cast</system-out>
        </testcase>
        <testcase name="works_the_second_time" classname="one" time="0.025">
            <flakyFailure timestamp="2026-01-01T00:00:00Z" time="0.025" type="test failure with exit code 101">
                <system-out>thread panicked</system-out>
            </flakyFailure>
        </testcase>
        <testcase name="breaks" classname="one" time="0.025">
            <failure type="test failure with exit code 101">thread &apos;breaks&apos; panicked</failure>
            <system-out>SKIPPED: half of it</system-out>
        </testcase>
    </testsuite>
</testsuites>
"#;

#[test]
fn a_report_is_counted_test_by_test() -> Result<()> {
    let script = tools::repository().join("tests/junit.awk");
    let mut awk = Command::new("awk").arg("-f").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    awk.stdin.take().context("awk reads")?.write_all(REPORT.as_bytes())?;
    let output = awk.wait_with_output()?;
    let lines = String::from_utf8(output.stdout)?;
    let expected = "passed\npassed\nskipped vectors folder absent\nskipped not installed: cast\nflaky works_the_second_time\nfailed breaks\n";
    ensure!(lines == expected, "{lines}");
    Ok(())
}
