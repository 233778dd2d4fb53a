//! Recompiles the contracts and rewrites `contracts/artifacts`.

mod project;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(reason) = project::missing_tools() {
        return Err(reason.into());
    }
    std::fs::create_dir_all(project::root().join("artifacts"))?;
    for (name, text) in project::compile()? {
        let path = project::artifact_path(name);
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let changed = !project::same(&committed, &text);
        if changed {
            std::fs::write(&path, text)?;
        }
        println!("{} {name}", if changed { "written  " } else { "unchanged" });
    }
    Ok(())
}
