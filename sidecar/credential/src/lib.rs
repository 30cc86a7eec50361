//! The credential of an instance: obtained once, kept in one Secret of tcr-assistant-system, renewed in time,
//! and revoked or left behind when no ImagePullSecret uses it any more.
//!
//! ```text
//!   stored Secret, clock, cloud's list ──► plan::decide ──► Step ──► keeping ──► Task ──► keeper (cloud and API server)
//! ```
//!
//! # Guarantees
//! CreateInstanceToken is not idempotent, so an intent is written before it, under the Secret's resource
//! version. A process that finds another process's intent takes it over by a write of its own, so that the
//! first one's result can no longer be stored, and deletes credentials that carry the marker and are not
//! stored. A process killed at any point leaves one valid credential after the next run.
//!
//! A credential that is to replace another one is stored beside it first, and is put in use when the registry
//! accepts it ([`credential_plan::login_check`]). The old one stays valid until its last copy is replaced.
//!
//! A service account differs only in that we choose its name: it contains the installation and the intent, so
//! that a creation that is carried out twice, or late, makes one account, which is found by its name and its
//! description. The installation is the hashed uid of the namespace kube-system and tells whose account it
//! is. A cluster that is restored object by object into another one has another uid there, and makes
//! credentials of its own; one that is restored from etcd's own snapshot has the same uid, and is the same
//! installation.
//!
//! Imports `credential-plan`, which decides, `tencent-cloud`, `registry-client` and `kubernetes`. Absent:
//! which objects use a credential, and where its copies are.

pub mod keeper;
mod keeping;
pub mod listed;
pub mod store;
