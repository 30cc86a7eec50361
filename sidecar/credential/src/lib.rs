//! The credential of an instance: obtained once, kept in one Secret of tcr-assistant-system, renewed
//! in time, and revoked or left behind with its last user.
//!
//! ```text
//!   stored Secret, clock, cloud's list ──► plan::decide ──► Step ──► keeping ──► Task ──► keeper (cloud and API server)
//! ```
//!
//! # Guarantees
//! CreateInstanceToken is not idempotent, so an intent is written before it, under the Secret's
//! resource version: a process that finds another's intent takes it over by a write of its own, so
//! that the first one's result can no longer be stored, and deletes what carries the marker and is
//! not stored. A process killed at any point leaves one live credential after the next run.
//!
//! A credential that shall replace another one is stored beside it first, and takes its place when the
//! registry lets it in ([`credential_plan::login_check`]). The old one stays valid until the last copy of it is replaced.
//!
//! Imports `credential-plan`, which decides, `tencent-cloud`, `registry-client` and `kubernetes`. Absent: which objects want
//! a credential, and where its copies are.

pub mod keeper;
mod keeping;
pub mod store;
