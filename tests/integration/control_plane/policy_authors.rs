//! The page for those who write policies, followed to its end: its files are written, its commands run, and what they
//! print is what the page says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// What of the page is followed for a language: its own section, and what comes after both.
fn sections(page: &str, language: &str) -> Result<String> {
    let of = |title: &str| {
        let start = page
            .find(&format!("\n## {title}\n"))
            .with_context(|| format!("the page has no section {title}"))?;
        let rest = &page[start + 1..];
        Ok::<_, anyhow::Error>((start, rest.find("\n## ").map_or(rest, |end| &rest[..end])))
    };
    let (_, own) = of(language)?;
    let (metadata, _) = of("Metadata")?;
    Ok(format!("{own}\n{}", &page[metadata..]))
}

/// Goes through a text's blocks in their order.
fn follow(text: &str, folder: &Path) -> Result<()> {
    let mut lines = text.lines();
    let mut file = None;
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_suffix("`:").and_then(|line| line.rsplit('`').next()) {
            file = Some(name.to_owned());
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (kind, file.take()) {
            ("console", _) => run(&block, folder)?,
            (_, Some(name)) => write(&folder.join(name), &(block.join("\n") + "\n"))?,
            (kind, None) => bail!("a block of {kind} belongs to no file"),
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().context("a file is in a folder")?;
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| path.display().to_string())
}

/// Runs a block's commands. The lines behind one are what it prints.
fn run(block: &[&str], folder: &Path) -> Result<()> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => bail!("\"{line}\" is printed by no command"),
        }
    }
    let harness = integration::program("harness");
    let programs = Path::new(harness.get_program()).parent().context("the program is in a folder")?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    for (command, printed) in commands {
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env("PATH", &path)
            .env_remove("CARGO_BUILD_BUILD_DIR")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .context("sh")?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "`{command}` failed ({}):\n{stdout}{stderr}", output.status);
        ensure!(printed.is_empty() || stdout == printed, "`{command}` printed\n{stdout}and not\n{printed}");
    }
    Ok(())
}

fn followed(language: &str) -> Result<()> {
    let page =
        std::fs::read_to_string(integration::root().join("docs/policy-authors.md")).context("the page")?;
    let folder = tempfile::tempdir().context("a folder")?;
    follow(&sections(&page, language)?, folder.path())?;
    let figures = std::fs::read(folder.path().join("bench.json")).context("bench.json")?;
    let figures: serde_json::Value = serde_json::from_slice(&figures).context("bench.json")?;
    ensure!(figures["guest_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{figures}");
    Ok(())
}

#[test]
fn the_page_leads_to_a_policy_in_rust() -> Result<()> {
    followed("In Rust")
}

#[test]
fn the_page_leads_to_a_policy_in_go() -> Result<()> {
    followed("In Go")
}
