//! The conditions about distribution: its progress, and what blocks it.

use tcr::names::derived_secret_name;

use super::{Facts, NewCondition};
use custom_resource::WriteFailure;
use custom_resource::condition::{ConditionReason, ConditionType};
use distribution::Tally;

pub(super) fn distributed(facts: &Facts<'_>) -> NewCondition {
    let Tally { secrets_desired, secrets_success, accounts_desired, accounts_success, leftovers, .. } =
        facts.sum;
    let kind = ConditionType::Distributed;
    let progress = format!(
        "{secrets_success} of {secrets_desired} namespaces have the Secret {}, {accounts_success} of {accounts_desired} \
         ServiceAccounts refer to it",
        derived_secret_name(facts.name)
    );
    let failed = facts.failures.first().map(|WriteFailure { kind, namespaced_name, .. }| {
        format!("; some writes failed, such as {kind} {namespaced_name}: see status.failures")
    });
    let failed = failed.unwrap_or_default();
    let complete = secrets_success == secrets_desired && accounts_success == accounts_desired;
    match facts {
        Facts { deleting: true, .. } => NewCondition::new(
            kind,
            false,
            ConditionReason::Deleting,
            format!("{leftovers} Secrets and references are left to remove{failed}"),
        ),
        Facts { invalid: Some(problem), .. } => {
            NewCondition::new(kind, false, ConditionReason::InvalidSpec, (*problem).to_owned())
        }
        _ if leftovers > 0 => NewCondition::new(
            kind,
            false,
            ConditionReason::Removing,
            format!("{progress}; {leftovers} are left to remove{failed}"),
        ),
        Facts { has_credential: false, .. } => NewCondition::new(
            kind,
            true,
            ConditionReason::NotRequested,
            "spec.tcr.credential.type is none: there is no credential and no Secret".to_owned(),
        ),
        _ if complete => NewCondition::new(kind, true, ConditionReason::Complete, progress),
        Facts { has_content: false, .. } => {
            NewCondition::new(kind, false, ConditionReason::NoCredential, progress)
        }
        Facts { failures, .. } if !failures.is_empty() => {
            NewCondition::new(kind, false, ConditionReason::WritesFailed, format!("{progress}{failed}"))
        }
        _ if facts.sum.conflicts > 0 => NewCondition::new(kind, false, ConditionReason::Conflicts, progress),
        _ => NewCondition::new(kind, false, ConditionReason::Progressing, progress),
    }
}

pub(super) fn conflicts(facts: &Facts<'_>) -> NewCondition {
    let kind = ConditionType::Conflicts;
    match (facts.sum.conflicts, &facts.contested) {
        (0, None) => NewCondition::new(
            kind,
            false,
            ConditionReason::None,
            "no Secret of somebody else is in the way".to_owned(),
        ),
        (0, Some((count, example))) => NewCondition::new(
            kind,
            true,
            ConditionReason::Contested,
            format!(
                "{count} objects are changed back again and again, such as {example}; they are repaired ever less often: \
                 see the Event"
            ),
        ),
        (count, _) => {
            let example =
                facts.conflict.map(|namespace| format!(", such as {namespace}")).unwrap_or_default();
            let secret = derived_secret_name(facts.name);
            NewCondition::new(
                kind,
                true,
                ConditionReason::ForeignSecret,
                format!(
                    "{count} namespaces{example}, have a Secret {secret} of somebody else: it is left alone; delete it, or set \
                 spec.conflictPolicy to adopt or overwrite"
                ),
            )
        }
    }
}
