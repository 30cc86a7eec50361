//! Where the tests find what they run: the built programs and the built policy.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout's root exists")
}

/// A program that `tests/build` puts into the target folder.
///
/// # Panics
/// When it is not there, naming the command that builds it.
pub fn program(name: &str) -> Command {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let path = folder.join("debug").join(name);
    assert!(
        path.exists(),
        "{} is missing: run ./justw test, or tests/build harness tcr-assistant tcr-cloud hosts-updater",
        path.display()
    );
    let mut command = Command::new(path);
    command.current_dir(root());
    command
}

/// The path of the built and annotated policy.
///
/// # Panics
/// When it is not there, naming the command that builds it.
pub fn policy_wasm() -> PathBuf {
    let path = root().join("target/policy.wasm");
    assert!(path.exists(), "{} is missing: run ./justw policy", path.display());
    path
}
