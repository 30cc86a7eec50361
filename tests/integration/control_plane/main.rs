//! Real processes on a real control plane.

mod admission;
mod doctor;
mod grants;
mod pull_credentials;
mod webhook;
