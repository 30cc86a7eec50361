//! Tencent Cloud's API for TCR, version 2019-09-24: signed calls, typed answers, classified errors.
//!
//! `client`, `metadata` and the sources in `api_credential` do I/O. The other modules are functions of
//! values, so each rule of the protocol has a test without a network.
//!
//! Imports no other crate of this folder. Absent: Kubernetes, and the use of the answers.

pub mod action;
pub mod api_credential;
pub mod calls;
pub mod client;
pub mod customized_domain;
pub mod endpoint;
pub mod endpoint_dns;
pub mod envelope;
pub mod error;
pub mod instance;
pub mod instance_token;
pub mod internal_endpoint;
pub(crate) mod jwt;
pub mod metadata;
pub mod rate_limit;
pub mod registry_namespace;
pub mod retry;
pub mod roles;
pub mod service_account;
pub mod signature;
pub mod transport;
