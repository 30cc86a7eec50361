//! The condition about the nodes that resolve the domains.

use super::{Facts, NewCondition};
use crate::nodes::{Affected, Nodes};
use custom_resource::condition::{ConditionReason, ConditionType};

/// The state of the hosts entries on nodes, only for ImagePullSecrets that ask for entries. A node without
/// entries delays no other condition.
pub(super) fn nodes(facts: &Facts<'_>) -> Option<NewCondition> {
    let link = facts.link.filter(|link| link.resolves);
    let Nodes { desired, current, silent, faults, .. } = link.and(facts.nodes)?;
    let kind = ConditionType::NodesResolve;
    let answering = desired.saturating_sub(*silent);
    Some(match faults.first_key_value() {
        Some((fault, Affected { count, named })) => {
            let reason = fault.reason();
            let names =
                if named.is_empty() { String::new() } else { format!(", such as {}", named.join(", ")) };
            let others = match faults.len() - 1 {
                0 => String::new(),
                others => format!("; {others} more reasons: see status.nodes"),
            };
            let (meaning, action) = (reason.meaning(), reason.action().trim_end_matches('.'));
            let message = format!("{count} of {desired} nodes{names}: {meaning} {action}{others}");
            NewCondition::new(kind, false, reason, message)
        }
        None if current < desired => {
            let message =
                format!("{current} of {desired} nodes carry the newest entries, {answering} agents answer");
            NewCondition::judged(kind, None, ConditionReason::NodesBehind, message)
        }
        None => {
            let message = format!(
                "{current} of {desired} nodes carry the entries, and use them as far as their agents see"
            );
            NewCondition::new(kind, true, ConditionReason::NodesResolve, message)
        }
    })
}
