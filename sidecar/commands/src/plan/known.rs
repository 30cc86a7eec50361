//! What a plan is made from.

use jiff::Timestamp;
use tcr::hosts_entry::HostsEntry;
use tcr::names::TCR_ROOT_DOMAIN;
use tcr::rules::RuleContext;

use super::report::Note;
use crate::reader::Seen;
use credential::store::Document;
use distribution::mark::InstallationKey;
use reconcile::object::Object;
use reconcile::password::Passwords;

/// Settings of the controller that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Root domains that registries may be under.
    pub allowed_roots: Vec<String>,
    /// Root domains that aliases may be under besides.
    pub allowed_aliases: Vec<String>,
    /// Roles that credentials may be made in.
    pub allowed_roles: Vec<String>,
    /// The cluster's id, `cls-...`.
    pub cluster_id: Option<String>,
    /// Whether that is what the controller has: else a missing id is no mistake.
    pub is_cluster_id_known: bool,
    pub region: Option<String>,
    /// The administrator's own hosts entries; none where those of the list stay.
    pub static_hosts: Option<Vec<HostsEntry>>,
}

/// Everything that is known but for what namespaces have.
#[derive(Clone, Debug)]
pub struct Known {
    /// The moment that the plan is for.
    pub now: Timestamp,
    pub settings: Settings,
    /// ImagePullSecrets as they are.
    pub before: Vec<Object>,
    /// ImagePullSecrets as they will be.
    pub after: Vec<Object>,
    /// Passwords for `spec.docker.passwordSecretRef`.
    pub passwords: Seen<Passwords>,
    /// Credentials that are stored in the cluster.
    pub stored: Seen<Vec<Document>>,
    /// The list of hosts entries; none while the add-on is being removed.
    pub entries: Seen<Option<Vec<HostsEntry>>>,
    /// Nodes on which hosts-updater runs, sorted.
    pub nodes: Vec<String>,
    /// Nodes on which it does not, sorted.
    pub nodes_without: Vec<String>,
    /// The key of the marks; none before a controller made one.
    pub key: Seen<Option<InstallationKey>>,
    /// Whether our Secrets were listed.
    pub are_secrets_known: bool,
    /// What admission would refuse.
    pub refused: Vec<Note>,
    /// What should be known.
    pub notes: Vec<Note>,
    /// What could not be read.
    pub not_known: Vec<String>,
}

impl Default for Settings {
    /// Where nobody says anything else.
    fn default() -> Self {
        Self {
            allowed_roots: vec![TCR_ROOT_DOMAIN.to_owned()],
            allowed_aliases: Vec::new(),
            allowed_roles: Vec::new(),
            cluster_id: None,
            is_cluster_id_known: false,
            region: None,
            static_hosts: None,
        }
    }
}

impl Settings {
    /// For the rules of an ImagePullSecret.
    pub fn rules(&self) -> RuleContext<'_> {
        RuleContext {
            allowed_roots: &self.allowed_roots,
            allowed_aliases: &self.allowed_aliases,
            allowed_roles: &self.allowed_roles,
            cluster_id: self.cluster_id.as_deref(),
            description_required: self.is_cluster_id_known,
            cluster_region: None,
        }
    }
}

impl Known {
    /// The object of this name as it is.
    pub(super) fn before(&self, name: &str) -> Option<&Object> {
        self.before.iter().find(|object| object.name == name)
    }
}
