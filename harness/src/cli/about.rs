//! The commands about the program itself: `completions`, `docs`, `info`; and `verify`, which is not there.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::metadata::KUBEWARDEN_VERSION;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  source <(harness completions -s bash)")]
pub struct Completions {
    /// The shell
    #[arg(short, long, value_enum)]
    shell: Shell,
}

/// Write the help of all commands into one Markdown file
#[derive(Debug, Args)]
pub struct Docs {
    /// The file to write, *.md
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Print versions, and where things are kept
#[derive(Debug, Args)]
pub struct Info;

/// Say how a policy's signatures are verified
#[derive(Debug, Args)]
pub struct Verify {
    /// The policy: registry://HOST/REPOSITORY:TAG, and kwctl's flags
    #[arg(required = true, allow_hyphen_values = true, trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Completions {
    /// `command` is the whole program's.
    pub(super) fn execute(self, command: &mut Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "harness", &mut script);
        super::files::print(&String::from_utf8_lossy(&script))
    }
}

impl Docs {
    /// `command` is the whole program's.
    pub(super) fn execute(self, mut command: Command) -> anyhow::Result<()> {
        if self.output.extension().is_none_or(|extension| extension != "md") {
            bail!(
                "cannot write {}: Markdown is what there is, so that its name must end in .md",
                self.output.display()
            );
        }
        let mut text = String::new();
        command.build();
        document(&mut command, "harness", &mut text);
        super::files::write(&self.output, text.as_bytes())
    }
}

/// A command's help, and that of those below it.
fn document(command: &mut Command, name: &str, text: &mut String) {
    let help = command.render_long_help().to_string();
    let _ = write!(text, "## `{name}`\n\n```text\n{}\n```\n\n", help.trim_end());
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        let name = format!("{name} {}", below.get_name());
        document(below, &name, text);
    }
}

impl Info {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let (major, minor) = KUBEWARDEN_VERSION;
        let folder =
            |path: Option<PathBuf>| path.map_or("none".to_owned(), |path| path.display().to_string());
        super::files::print(&format!(
            "version           {}\nlike Kubewarden   {major}.{minor}\nruntimes          kubewarden-wapc\nstore             {}\n",
            version::long(),
            folder(crate::store::Store::of_user().map(|store| store.root().to_owned())),
        ))
    }
}

impl Verify {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let arguments = self.arguments.join(" ");
        bail!(
            "cannot verify {arguments}: signatures are not verified here; `kwctl verify {arguments}` does it, or cosign: then name the policy by its digest (harness digest)"
        )
    }
}
