//! Programs and chart of one release: what each program says of itself, and that it does not start in the chart of another.

use std::process::{Command, Output};

use integration::program;
use tempfile::TempDir;

/// What the chart starts, with what it needs to come as far as its settings.
const STARTED: [(&str, &[&str]); 3] = [
    ("tcr-assistant", &["run", "--tcr-ca=missing.pem"]),
    ("harness", &["serve", "--policies=missing.yml"]),
    ("hosts-updater", &["--config-dir=missing", "--hosts-file=missing/hosts", "--state-dir=state"]),
];

/// What a program says and how it ends, in the chart of a release.
fn in_chart(mut program: Command, arguments: &[&str], chart: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    let Output { status, stderr, .. } = program
        .args(arguments)
        .current_dir(folder.path())
        .env("TCR_ASSISTANT_CHART_VERSION", chart)
        // There is no cluster.
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .output()
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn each_program_says_its_release_and_build() {
    for name in ["tcr-assistant", "harness", "hosts-updater"] {
        let Output { status, stdout, .. } = program(name).arg("--version").output().unwrap();
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "{name}: {status}");
        let expected = format!("{name} {} (", env!("CARGO_PKG_VERSION"));
        assert!(said.starts_with(&expected) && said.ends_with(")\n"), "{said}");
    }
}

#[test]
fn a_program_in_the_chart_of_another_release_says_so_and_does_not_start() {
    for (name, arguments) in STARTED {
        let (code, said) = in_chart(program(name), arguments, "99.1.0");
        assert_eq!(code, Some(1), "{name}: {said}");
        for part in ["error: ", env!("CARGO_PKG_VERSION"), "\"99.1.0\"", "image.tag"] {
            assert!(said.contains(part), "{name} does not say {part}: {said}");
        }
    }
}

#[test]
fn a_program_in_the_chart_of_its_release_comes_to_its_settings() {
    // hosts-updater keeps waiting for its files, as each test of it sees.
    for (name, arguments) in &STARTED[..2] {
        let (code, said) = in_chart(program(name), arguments, env!("CARGO_PKG_VERSION"));
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("missing"), "{name}: {said}");
        assert!(!said.contains("in this chart"), "{name}: {said}");
    }
}
