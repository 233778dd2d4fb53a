//! Every experiment of `make bench` at its smallest: it runs, its records are whole, and the report draws them. No figure is
//! judged.

use std::fs;

use anyhow::{Context, Result, ensure};
use aurum_tests::{
    bench::{Bench, Experiment, Log, Sizes, write_report},
    story::Story,
    tools,
};
use clap::ValueEnum;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_experiment_leaves_whole_records_and_a_drawing() -> Result<()> {
    if !tools::have(&["anvil"]) {
        return Ok(());
    }
    let story = Story::begin("bench", env!("CARGO_TARGET_TMPDIR"))?;
    let file = story.folder().join("records.jsonl");
    let mut bench = Bench::new(Sizes::smoke(), &story.folder().join("networks"), &file)?;
    for experiment in Experiment::value_variants() {
        story.say(experiment.name());
        bench.run(*experiment).await?;
    }

    let records = Log::read(&file)?;
    for (experiment, peers, figure) in [
        ("single", &["aurum", "anvil"][..], "included_per_s"),
        ("four", &["aurum", "anvil"], "included_per_s"),
        ("overload", &["aurum"], "kept"),
        ("latency", &["aurum, four", "anvil, one"], "p99_ms"),
        ("import", &["aurum", "recovery"], "tx_per_s"),
        ("sync", &["aurum", "recovery"], "tx_per_s"),
        ("permissions", &["aurum"], "included_per_s"),
        ("idle", &["aurum"], "cpu_percent_of_a_core"),
        ("growth", &["aurum"], "disk_b_per_tx"),
        ("state", &["aurum"], "final_per_s"),
    ] {
        for peer in peers {
            let record = records.iter().find(|record| record.experiment == experiment && record.peer == *peer);
            let record = record.with_context(|| format!("no record of {experiment}, {peer}"))?;
            let value = record.figures.get(figure).with_context(|| format!("{experiment}, {peer}: no {figure}"))?;
            ensure!(value.is_finite() && *value >= 0.0, "{experiment}, {peer}: {figure} is {value}");
        }
    }
    for load in records.iter().filter_map(|record| record.load.as_ref()) {
        ensure!(load.missing == 0 && load.reorganised == 0, "{load:?}");
        ensure!(load.receipts_wrong == 0 && load.receipts_sampled > 0, "{load:?}");
        ensure!(load.included == load.accepted, "{load:?}");
    }

    let docs = story.folder().join("docs");
    fs::create_dir(&docs)?;
    fs::copy(tools::repository().join("docs/benchmarks.md"), docs.join("benchmarks.md"))?;
    let written: Vec<Experiment> = write_report(&file, &docs)?.into_iter().map(|(experiment, _)| experiment).collect();
    ensure!(written == Experiment::value_variants(), "the report has {written:?} only");
    for experiment in written {
        let drawing = fs::read_to_string(docs.join("benchmarks").join(format!("{}.svg", experiment.name())))?;
        ensure!(drawing.starts_with("<svg") && !drawing.contains("NaN") && drawing.ends_with("</svg>\n"), "{drawing}");
    }
    story.end()
}
