//! The built controller on a real control plane, with exactly the roles of the committed manifests.

#[path = "control_plane/broken.rs"]
mod broken;
#[path = "control_plane/chaos.rs"]
mod chaos;
#[path = "control_plane/chart.rs"]
mod chart;
#[path = "control_plane/cleanup.rs"]
mod cleanup;
#[path = "control_plane/cleanup_nodes.rs"]
mod cleanup_nodes;
#[path = "control_plane/cluster.rs"]
mod cluster;
#[path = "control_plane/contest.rs"]
mod contest;
#[path = "control_plane/credential.rs"]
mod credential;
#[path = "control_plane/distribution.rs"]
mod distribution;
#[path = "control_plane/doctor.rs"]
mod doctor;
#[path = "control_plane/explain.rs"]
mod explain;
#[path = "control_plane/faults.rs"]
mod faults;
#[path = "control_plane/gate.rs"]
mod gate;
#[path = "control_plane/identities.rs"]
mod identities;
#[path = "control_plane/link_networks.rs"]
mod link_networks;
#[path = "control_plane/link_without_resolution.rs"]
mod link_without_resolution;
#[path = "control_plane/links.rs"]
mod links;
#[path = "control_plane/ownership.rs"]
mod ownership;
#[path = "control_plane/pages.rs"]
mod pages;
#[path = "control_plane/partition.rs"]
mod partition;
#[path = "control_plane/plan.rs"]
mod plan;
#[path = "control_plane/pods.rs"]
mod pods;
#[path = "control_plane/rbac.rs"]
mod rbac;
#[path = "control_plane/refusals.rs"]
mod refusals;
#[path = "control_plane/registry.rs"]
mod registry;
#[path = "control_plane/requests.rs"]
mod requests;
#[path = "control_plane/roles.rs"]
mod roles;
#[path = "control_plane/service_accounts.rs"]
mod service_accounts;
#[path = "control_plane/status.rs"]
mod status;
#[path = "control_plane/tenants.rs"]
mod tenants;
#[path = "control_plane/webhook.rs"]
mod webhook;
#[path = "control_plane/without_credential.rs"]
mod without_credential;
#[path = "control_plane/world.rs"]
mod world;
#[path = "control_plane/write_limits.rs"]
mod write_limits;
