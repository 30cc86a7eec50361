//! What all parts of the harness's benchmark need: the program, its modules, and figures with their limits.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use figure::{Figure, Limit};
use harness::metadata::Metadata;
use harness::wasm_section;
use tempfile::TempDir;

use crate::review;

/// What the SDK's policy asks for, as in the harness's own tests.
const METADATA: &str = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: true\nprotocolVersion: v1\n";
/// A guest that never answers a review.
const ENDLESS: &str = "(loop (br 0))";
/// As many as the field's largest servers have.
pub(super) const MANY: usize = 36;

/// What all parts need.
pub(super) struct Bench {
    pub(super) smoke: bool,
    pub(super) program: PathBuf,
    pub(super) folder: TempDir,
}

pub(super) fn figure(metric: &'static str, value: f64, unit: &'static str, limit: Option<Limit>) -> Figure {
    Figure { name: "harness", metric, value, unit, limit }
}

pub(super) fn at_most(limit: f64) -> Option<Limit> {
    Some(Limit::AtMost(limit))
}

pub(super) fn at_least(limit: f64) -> Option<Limit> {
    Some(Limit::AtLeast(limit))
}

impl Bench {
    pub(super) fn new(smoke: bool) -> anyhow::Result<Self> {
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
        let frame = include_str!("../../../../harness/tests/all/guests/frame.wat");
        let endless = frame.replace("(;VALIDATE;)", ENDLESS).replace("(;MODULE;)", "");
        bench.write("endless.wasm", &annotated(&wat::parse_str(&endless)?)?)?;
        bench.write("settings.json", review::settings(1).as_bytes())?;
        Ok(bench)
    }

    /// The long form's number, or the short one's.
    pub(super) fn times<T>(&self, long: T, short: T) -> T {
        if self.smoke { short } else { long }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        std::fs::write(self.path(name), bytes).with_context(|| format!("cannot write {name}"))
    }

    /// A policies file with the SDK's policy, made `count` policies of as many modules.
    pub(super) fn many(&self, count: usize) -> String {
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
