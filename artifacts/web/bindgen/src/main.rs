//! wasm-bindgen's second half as a program of ours, so that cargo builds it, pinned like the rest.
//! wasm-bindgen itself refuses wasm that another version of its library has written.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use wasm_bindgen_cli_support::Bindgen;

/// Turns the policy's wasm for browsers into an ES module with its types: OUT_DIR/policy.js,
/// policy.d.ts and policy_bg.wasm
#[derive(Parser)]
#[command(name = "web-bindgen", about)]
struct Args {
    /// The wasm that `policy/build-wasm policy wasm32-unknown-unknown WASM web` wrote
    wasm: PathBuf,
    /// Where the module goes
    out_dir: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Args { wasm, out_dir } = Args::parse();
    let failed = || format!("cannot make a module of {}", wasm.display());
    Bindgen::new()
        .input_path(&wasm)
        .out_name("policy")
        .web(true)
        .with_context(failed)?
        .typescript(true)
        // The page carries the wasm in itself: nothing is fetched.
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&out_dir)
        .with_context(failed)
}
