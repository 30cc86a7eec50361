//! Real processes on a real control plane.

mod admission;
mod doctor;
mod grants;
mod policy_authors;
mod pull_credentials;
mod wasi_program;
mod webhook;
