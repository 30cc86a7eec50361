use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn kwctls_flags_are_understood() {
    Cli::try_parse_from([
        "harness",
        "run",
        "file:///policy.wasm",
        "--request-path",
        "a.json",
        "-r",
        "b.yaml",
        "--settings-json",
        "{}",
        "--execution-mode",
        "kubewarden",
        "--raw",
        "--allow-context-aware",
        "--allowed-host-capabilities",
        "kubernetes/*,oci/v1/*",
        "--replay-host-capabilities-interactions",
        "session.yml",
        "--disable-wasmtime-cache",
        "-vv",
    ])
    .unwrap();
}

#[test]
fn settings_come_from_one_place() {
    let arguments = ["harness", "run", "p", "-r", "r", "-s", "s", "--settings-json", "{}"];
    assert!(Cli::try_parse_from(arguments).is_err());
}
