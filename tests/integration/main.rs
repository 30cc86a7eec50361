//! Real processes together: the built policy.wasm, the harness, the controller, the cloud's double.

mod demo;
mod policy_wasm;
