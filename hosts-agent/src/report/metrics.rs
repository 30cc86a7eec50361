//! The metrics of hosts-updater.

use tcr::exposition::Metric;

pub(crate) const INFO: Metric = Metric::gauge(
    "hosts_updater_info",
    "The generation of the list in the file, how it was written, the node's VPC once that is known, and what confines \
     the process.",
);
pub(crate) const READY: Metric =
    Metric::gauge("hosts_updater_ready", "1 when the list is good and the file carries it.");
pub(crate) const LIST_GOOD: Metric =
    Metric::gauge("hosts_updater_list_good", "1 when the ConfigMap's list may be written.");
pub(crate) const WATCHING: Metric =
    Metric::gauge("hosts_updater_watching", "1 when changes are seen at once.");
pub(crate) const ENTRIES: Metric = Metric::gauge("hosts_updater_entries", "Lines in the block.");
pub(crate) const CONFLICTS: Metric = Metric::gauge(
    "hosts_updater_conflicts",
    "Other lines of the file that give a listed name another address.",
);
pub(crate) const WITHHELD_ENTRIES: Metric = Metric::gauge(
    "hosts_updater_withheld_entries",
    "Entries that the file does not have because their address does not answer.",
);
pub(crate) const LINKS_DOWN: Metric =
    Metric::gauge("hosts_updater_links_down", "Addresses of private links that do not answer.");
pub(crate) const READ_ONLY: Metric =
    Metric::gauge("hosts_updater_read_only", "1 when the node lets nobody write its hosts file.");
pub(crate) const NAMES: Metric = Metric::gauge(
    "hosts_updater_names",
    "Names that the node shall resolve by the list, by what becomes of them.",
);
pub(crate) const UNUSED_NAME: Metric = Metric::gauge(
    "hosts_updater_unused_name",
    "1 for each name that does not lead to its address, with what becomes of it; at most ten.",
);
pub(crate) const WITHOUT_NETWORK: Metric = Metric::gauge(
    "hosts_updater_without_network",
    "1 when entries are by VPC and the node has none of those: its VPC is not known, is two, or has none.",
);
pub(crate) const CONFINED: Metric =
    Metric::gauge("hosts_updater_confined", "1 when the process can open no file of the node.");
pub(crate) const FAILED_PROBES: Metric =
    Metric::counter("hosts_updater_failed_probes_total", "Probes of links that had no answer.");
pub(crate) const PASSES: Metric = Metric::counter("hosts_updater_passes_total", "Looks at list and file.");
pub(crate) const WRITES: Metric = Metric::counter("hosts_updater_writes_total", "Replacements of the file.");
pub(crate) const WRITE_FAILURES: Metric =
    Metric::counter("hosts_updater_write_failures_total", "Replacements that failed.");
pub(crate) const FOREIGN_CHANGES: Metric = Metric::counter(
    "hosts_updater_foreign_changes_total",
    "Times that somebody else had changed or removed the block.",
);

/// All metrics of the agent.
pub const ALL: &[Metric] = &[
    INFO,
    READY,
    LIST_GOOD,
    WATCHING,
    ENTRIES,
    CONFLICTS,
    WITHHELD_ENTRIES,
    LINKS_DOWN,
    READ_ONLY,
    WITHOUT_NETWORK,
    CONFINED,
    FAILED_PROBES,
    PASSES,
    WRITES,
    WRITE_FAILURES,
    FOREIGN_CHANGES,
    NAMES,
    UNUSED_NAME,
];
