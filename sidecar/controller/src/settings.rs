//! What differs between clusters, and what is the same in all of them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tcr::hosts_entry::HostsEntry;
use tcr::rules::RuleContext;
use tcr::write_limits::Kind;

use registry_client::Checker;
use tencent_cloud::roles::Clients;

/// The longest time for one call of the API server, where nothing shorter is said.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// What differs between clusters.
#[derive(Debug)]
pub struct Settings {
    /// The clients of Tencent Cloud: the controller's own, and those for instances that are reached in roles.
    pub clouds: Clients,
    /// Asks registries about credentials; none where they are not to be asked.
    pub registry: Option<Arc<Checker>>,
    /// How long a changed `spec.docker` password waits for its registry's verdict.
    pub verdict_timeout: SignedDuration,
    /// The cluster's id, `cls-...`.
    pub cluster_id: Option<String>,
    /// The region of the cluster, for API calls without one.
    pub region: Option<String>,
    /// Root domains that registries may be under.
    pub allowed_roots: Vec<String>,
    /// Root domains that aliases may be under besides.
    pub allowed_aliases: Vec<String>,
    /// Roles that `spec.tcr.roleArn` may name.
    pub allowed_roles: Vec<String>,
    /// The administrator's own entries for the nodes' hosts files.
    pub static_hosts: Vec<HostsEntry>,
    /// Between two looks at private links that run.
    pub link_interval: Duration,
    /// Whether nodes lose their start-up taint once they have their hosts entries.
    pub remove_startup_taint: bool,
    /// The Service in front of the webhook; without one the certificate is not ours to make.
    pub webhook_service: Option<String>,
    /// Whether another controller may run.
    pub leader_elect: bool,
}

impl Settings {
    /// The kinds that are written.
    pub(super) fn written(&self) -> Vec<Kind> {
        let is_written = |kind: &Kind| match kind {
            Kind::Nodes => self.remove_startup_taint,
            Kind::Webhooks => self.webhook_service.is_some(),
            _ => true,
        };
        Kind::ALL.into_iter().filter(is_written).collect()
    }

    pub(super) fn rules(&self) -> RuleContext<'_> {
        RuleContext {
            allowed_roots: &self.allowed_roots,
            allowed_aliases: &self.allowed_aliases,
            allowed_roles: &self.allowed_roles,
            cluster_id: self.cluster_id.as_deref(),
            description_required: true,
            cluster_region: None,
        }
    }

    pub(super) fn reconciler(&self) -> reconcile::Config {
        reconcile::Config {
            region: self.region.clone(),
            allowed_roots: self.allowed_roots.clone(),
            verdict_timeout: self.registry.as_ref().map(|_| self.verdict_timeout),
        }
    }
}
