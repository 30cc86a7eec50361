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
fn patterns_may_follow_one_another() {
    let parse = |arguments: &[&str]| {
        let fixed = ["harness", "run", "-r", "r", "--allowed-host-capabilities"];
        Cli::try_parse_from(fixed.iter().chain(arguments)).map(drop)
    };
    assert!(parse(&["oci/*", "net/v1/dns_lookup_host", "--", "p"]).is_ok());
    assert!(parse(&["oci/*", "--allowed-host-capabilities", "net/*", "--raw", "p"]).is_ok());
    assert!(parse(&["oci/*,net/*", "--settings-path", "s", "--settings-json", "{}", "p"]).is_ok());
    assert!(parse(&["oci/*", "p"]).is_err(), "p is no pattern");
}
