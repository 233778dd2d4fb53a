//! The committed artifacts are what the sources compile to.

#[path = "../examples/compile/project.rs"]
mod project;

#[test]
fn committed_artifacts_match_the_sources() {
    if let Some(reason) = project::missing_tools() {
        println!("SKIPPED: committed_artifacts_match_the_sources: {reason}");
        return;
    }
    let compiled = project::compile().expect("the contracts compile");
    assert_eq!(compiled.len(), project::CONTRACTS.len());
    for (name, text) in compiled {
        let committed = std::fs::read_to_string(project::artifact_path(name)).unwrap_or_default();
        assert!(
            project::same(&committed, &text),
            "artifacts/{name}.json differs from the sources: run `make contracts`"
        );
    }
}
