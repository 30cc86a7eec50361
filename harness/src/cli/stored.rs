//! The commands over the store of pulled policies: `policies`, `rm`, `save`, `load`; and `digest`.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use sha2::{Digest as _, Sha256};
use tcr::hex;

use super::source::RegistryArgs;
use crate::metadata::Metadata;
use crate::store::Store;

/// List the policies that were pulled
#[derive(Debug, Args)]
pub struct Policies;

/// Take a policy out of the store
#[derive(Debug, Args)]
pub struct Rm {
    /// The policy's URI, or the beginning of its SHA-256
    policy: String,
}

/// Save policies of the store into one file
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness save -o policies.tar.gz registry://registry.example.com/policies/tcr:v1"
)]
pub struct Save {
    /// Their URIs, or the beginnings of their SHA-256
    #[arg(required = true)]
    policies: Vec<String>,

    /// The file to write, tar.gz
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Load policies from a file that `save` wrote into the store
#[derive(Debug, Args)]
pub struct Load {
    /// The file, tar.gz
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
}

/// Print a policy's reference by digest
#[derive(Debug, Args)]
pub struct Digest {
    /// The policy: registry://HOST/REPOSITORY:TAG
    uri: String,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Policies {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let store = store()?;
        let mut rows = Vec::new();
        for uri in store.list()? {
            let wasm = store.read(&uri)?.unwrap_or_default();
            rows.push(row(&uri, &wasm));
        }
        match rows.is_empty() {
            true => Ok(()),
            false => super::files::print(&table(&rows)),
        }
    }
}

const HEADER: [&str; 5] = ["Policy", "Mutating", "Context aware", "SHA-256", "Size"];

fn row(uri: &str, wasm: &[u8]) -> [String; 5] {
    let yes_or_no = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let (mutating, aware) = match Metadata::of_module(wasm) {
        Ok(Some(metadata)) => {
            (yes_or_no(metadata.mutating), yes_or_no(!metadata.context_aware_resources.is_empty()))
        }
        _ => ("unknown".to_owned(), "no".to_owned()),
    };
    let digest = hex::encode(&Sha256::digest(wasm));
    let digest = digest.get(..12).unwrap_or_default().to_owned();
    [uri.to_owned(), mutating, aware, digest, size(wasm.len())]
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.2} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

/// A table with a frame and a line below its header.
fn table(rows: &[[String; 5]]) -> String {
    let header = HEADER.map(str::to_owned);
    let widths: Vec<usize> = (0..HEADER.len())
        .map(|column| rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let rule: String =
        widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("| {cell:width$} "));
        cells.collect::<String>() + "|\n"
    };
    let lines: String = rows.iter().map(line).collect();
    format!("{rule}{}{rule}{lines}{rule}", line(&header))
}

impl Rm {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        store()?.remove(&stored(&self.policy)?).with_context(|| format!("cannot remove {}", self.policy))
    }
}

impl Save {
    /// The file is there as a whole or not at all.
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let uris = self.policies.iter().map(|policy| stored(policy)).collect::<anyhow::Result<Vec<_>>>()?;
        let failed = || format!("cannot save into {}", self.output.display());
        let mut archive = Vec::new();
        store()?.save(&uris, &mut archive).with_context(failed)?;
        super::files::write(&self.output, &archive)
    }
}

impl Load {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let failed = || format!("cannot load {}", self.input.display());
        let archive = File::open(&self.input).with_context(failed)?;
        store()?.load(std::io::BufReader::new(archive)).with_context(failed)?;
        Ok(())
    }
}

impl Digest {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let registry = self.registry.registry()?;
        let digest = super::source::runtime()?.block_on(registry.manifest_digest(&self.uri))?;
        super::files::print(&format!("{}@{digest}\n", self.uri))
    }
}

/// The URI that an argument names in the store. One without a scheme is a registry's.
fn stored(policy: &str) -> anyhow::Result<String> {
    let uri = super::source::uri_of(policy)?;
    match uri.contains("://") {
        true => Ok(uri),
        false if Path::new(&uri).is_absolute() => Err(anyhow!("{uri} is a file, and not in the store")),
        false => Ok(format!("registry://{uri}")),
    }
}

fn store() -> anyhow::Result<Store> {
    Store::of_user().ok_or_else(|| anyhow!("cannot find the store: neither XDG_CACHE_HOME nor HOME is set"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_table_fits_what_is_in_it() {
        let rows =
            [row("registry://h/a:v1", b"\0asm\x01\0\0\0"), row("https://h/longer/name.wasm", &[0; 12_345])];
        expect![[r#"
            +----------------------------+----------+---------------+--------------+----------+
            | Policy                     | Mutating | Context aware | SHA-256      | Size     |
            +----------------------------+----------+---------------+--------------+----------+
            | registry://h/a:v1          | unknown  | no            | 93a44bbb96c7 | 8 B      |
            | https://h/longer/name.wasm | unknown  | no            | 8c0a31939409 | 12.35 kB |
            +----------------------------+----------+---------------+--------------+----------+
        "#]]
        .assert_eq(&table(&rows));
    }
}
