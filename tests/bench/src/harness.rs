//! The harness as its users have it, as a program: what a command costs, what the webhook answers in which time and
//! memory, and what it does while its policies, its certificate or its neighbours change.
//!
//! The program is the one that ships. Baselines are of the same run: the policy's own compilation, and a server of the
//! same stack that answers every review with the same bytes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use figure::{Figure, Limit};
use harness::metadata::Metadata;
use harness::wasm_section;
use tempfile::TempDir;

use crate::review;

mod answers;
mod client;
mod cold;
mod command;
pub(crate) mod fixed_server;
mod memory;
mod process;
mod reload;
mod stuck;
mod tls;

/// What the SDK's policy asks for, as in the harness's own tests.
const METADATA: &str = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: true\nprotocolVersion: v1\n";
/// A guest that never answers a review.
const ENDLESS: &str = "(loop (br 0))";
/// As many as the field's largest servers have.
const MANY: usize = 36;

/// What all parts need.
pub(crate) struct Bench {
    smoke: bool,
    program: PathBuf,
    folder: TempDir,
}

/// Measures every figure of the harness.
pub(crate) fn measure(smoke: bool) -> anyhow::Result<Vec<Figure>> {
    let bench = Bench::new(smoke)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut figures = command::measure(&bench)?;
    figures.extend(runtime.block_on(cold::measure(&bench))?);
    figures.extend(runtime.block_on(answers::measure(&bench))?);
    figures.extend(runtime.block_on(memory::measure(&bench))?);
    figures.extend(runtime.block_on(stuck::measure(&bench))?);
    figures.extend(runtime.block_on(reload::measure(&bench))?);
    Ok(figures)
}

fn figure(metric: &'static str, value: f64, unit: &'static str, limit: Option<Limit>) -> Figure {
    Figure { name: "harness", metric, value, unit, limit }
}

fn at_most(limit: f64) -> Option<Limit> {
    Some(Limit::AtMost(limit))
}

fn at_least(limit: f64) -> Option<Limit> {
    Some(Limit::AtLeast(limit))
}

impl Bench {
    fn new(smoke: bool) -> anyhow::Result<Self> {
        // For the clients; an error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bench = Self { smoke, program: program(smoke)?, folder: tempfile::tempdir()? };
        let policy = read("target/policy.wasm", "./justw policy")?;
        bench.write("policy.wasm", &policy)?;
        let sdk = annotated(&read("target/sdk-policy.wasm", "./justw sdk-policy")?)?;
        bench.write("sdk.wasm", &sdk)?;
        for number in 0..MANY {
            let distinct = wasm_section::replace(&sdk, "number", number.to_string().as_bytes())?;
            bench.write(&format!("sdk-{number}.wasm"), &distinct)?;
        }
        let frame = include_str!("../../../harness/tests/all/guests/frame.wat");
        let endless = frame.replace("(;VALIDATE;)", ENDLESS).replace("(;MODULE;)", "");
        bench.write("endless.wasm", &annotated(&wat::parse_str(&endless)?)?)?;
        bench.write("settings.json", review::settings(1).as_bytes())?;
        Ok(bench)
    }

    /// The long form's number, or the short one's.
    fn times<T>(&self, long: T, short: T) -> T {
        if self.smoke { short } else { long }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        std::fs::write(self.path(name), bytes).with_context(|| format!("cannot write {name}"))
    }

    /// A policies file with the SDK's policy, made `count` policies of as many modules.
    fn many(&self, count: usize) -> String {
        let entry = |number| {
            let module = self.path(&format!("sdk-{number}.wasm"));
            format!(
                "sdk-{number}: {{module: 'file://{}', settings: {{label: owner, value: bob}}, allowedToMutate: true}}\n",
                module.display()
            )
        };
        (0..count).map(entry).collect()
    }
}

/// The program that ships; the short form takes what the tests have built.
fn program(smoke: bool) -> anyhow::Result<PathBuf> {
    let place = match smoke {
        true => "debug/harness".to_owned(),
        false => format!("{}-unknown-linux-gnu/image/harness", std::env::consts::ARCH),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(place);
    std::fs::canonicalize(&path)
        .with_context(|| format!("cannot find {}: run ./justw bench harness", path.display()))
}

fn read(name: &str, made_by: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read(&path).with_context(|| format!("cannot read {}: run {made_by}", path.display()))
}

fn annotated(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let metadata = Metadata::parse(METADATA)?;
    ensure!(metadata.check().is_ok(), "the metadata of the benchmark is not complete");
    Ok(metadata.write_into(wasm)?)
}
