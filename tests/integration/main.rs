//! Real processes together: the built policy.wasm, the harness, the controller, a private registry, the
//! cloud's double.

mod cases;
mod demo;
mod growth;
mod policy_wasm;
mod registry;
mod release;
mod undumpable;
