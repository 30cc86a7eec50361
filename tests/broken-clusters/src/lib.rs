//! The ways in which tests break a cluster so that an image is not pulled, with what `explain` says of each.
//!
//! Tests break a real cluster in each of these ways, ask the built `tcr-assistant explain`, do the one thing that it names
//! and nothing else, and see it say that the image can be pulled: on a control plane
//! (`sidecar/tests/control_plane/broken.rs`), where the kubelet's words are put into the Pod's status and all else is real,
//! or on real nodes (`tests/e2e/src/broken.rs`). `docs/pull-failures.md` is printed from here.

use std::fmt::Write as _;

mod list;

pub use list::GROUPS;

/// A way in which a cluster is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenCluster {
    /// Its name, which is that of its namespace in the tests.
    pub name: &'static str,
    /// What is wrong, as a sentence.
    pub how: &'static str,
    /// The word that `explain` has for it: `reason` of the image's `problem`.
    pub reason: &'static str,
    /// The one thing to do: a part of what `explain` says.
    pub to_do: &'static str,
    /// Where it is tested.
    pub tested_on: TestedOn,
}

/// Where a way is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestedOn {
    /// On a control plane, each time.
    ControlPlane,
    /// On a control plane, in the long level only.
    ControlPlaneLong,
    /// On real nodes.
    Nodes,
}

/// Those that are tested there, in the order of the page.
pub fn tested(is_there: impl Fn(TestedOn) -> bool) -> impl Iterator<Item = &'static BrokenCluster> {
    GROUPS.iter().flat_map(|(_, list)| list.iter()).filter(move |it| is_there(it.tested_on))
}

/// `docs/pull-failures.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Ways in which a pull fails\n\n\
         Tests break a cluster in each of these ways, ask `kubectl tcr explain pod/NAME`, do the one thing that it names, and \
         see it say that the image can be pulled. Where \"node\" stands, containerd and kubelet are real ones and the Pod runs \
         in the end; else the kubelet's words are put into the Pod's status, and all else is real.\n\n\
         `./justw test long` tries all of them, `./justw test control-plane` a few. What nodes say is in \
         [pull-errors.md](pull-errors.md). Printed by `./justw generate`.\n",
    );
    for (title, list) in GROUPS {
        let _ = writeln!(
            page,
            "\n## {title}\n\n| name | what is wrong | `explain` says | and to do | tried on |\n|---|---|---|---|---|"
        );
        for it in *list {
            let BrokenCluster { name, how, reason, to_do, tested_on } = it;
            let place = match tested_on {
                TestedOn::ControlPlane | TestedOn::ControlPlaneLong => "control plane",
                TestedOn::Nodes => "node",
            };
            let _ = writeln!(page, "| {name} | {how} | `{reason}` | {to_do} | {place} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_fifty_ways_and_each_has_a_name_of_its_own() {
        let names: Vec<&str> = tested(|_| true).map(|it| it.name).collect();
        assert!(names.len() >= 50, "there are {}", names.len());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name stands there twice");
        let is_label = |name: &&str| {
            let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            name.len() < 50
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(is_letter)
        };
        assert!(names.iter().all(is_label), "not all are names of namespaces: {names:?}");
    }

    #[test]
    fn every_cell_of_the_page_says_something() {
        for it in tested(|_| true) {
            assert!(it.how.contains(' ') && it.to_do.len() > 6, "{it:?}");
            assert!(!it.how.contains('|') && !it.to_do.contains('|'), "{it:?}");
        }
    }
}
