//! Real Kubernetes for tests and for developers.
//!
//! [`ControlPlane::start`] gives etcd, kube-apiserver and kube-controller-manager on this machine, with RBAC, an admin's
//! kubeconfig and kubeconfigs that act as exactly one ServiceAccount. Their programs are built once from pinned Go
//! modules ([`Program`]). Everything that a test starts belongs to a [`Run`]: when its owner ends, however it ends,
//! no process and no file of the run is left.
//!
//! [`Nodes::start`] gives that control plane with real nodes: kubelet, containerd and runc in namespaces of their own.
//!
//! [`Registry::start`] gives a real private registry over TLS, which lets in whom a token server lets in.
//!
//! [`hostile::Attackers`] are callers that a listener has to outlive, and [`Cgroup`] holds a process to a container's
//! limits.
//!
//! The binary `cluster` keeps such a control plane for a developer.

pub mod audit;
pub mod cache;
mod certificate;
mod control_plane;
mod eventually;
pub mod hostile;
mod identity;
mod image;
mod kubectl;
mod limits;
mod nameserver;
pub mod network;
pub mod nodes;
mod port;
mod process;
mod program;
pub mod registry;
mod run;
pub mod standing;
mod tls_front;

pub use control_plane::{ControlPlane, Options, Part};
pub use eventually::eventually;
pub use identity::Identity;
pub use image::Image;
pub use kubectl::Output;
pub use limits::{Cgroup, Limits};
pub use nodes::Nodes;
pub use port::ReservedPort;
pub use process::Process;
pub use program::Program;
pub use registry::Registry;
pub use run::Run;
pub use tls_front::TlsFront;
