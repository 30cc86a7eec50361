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
//! A service account is the same with a name of our choice: it holds the installation and the intent, so that a creation
//! that is carried out twice, or late, makes one account, which is found by its name and its description. Whose it is, the
//! installation tells: the uid of the namespace kube-system, hashed. A cluster that is restored object by object into
//! another one has another uid there, and makes credentials of its own; one that is restored from etcd's own snapshot has
//! the same, and is the same installation.
//!
//! Imports `credential-plan`, which decides, `tencent-cloud`, `registry-client` and `kubernetes`. Absent: which objects want
//! a credential, and where its copies are.

pub mod keeper;
mod keeping;
pub mod listed;
pub mod store;
