//! Real processes on a real control plane.

mod admission;
mod grants;
mod pull_credentials;
mod webhook;
