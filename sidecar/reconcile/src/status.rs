//! The status of an ImagePullSecret, from what is known about it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use crate::nodes::Nodes;
use crate::object::NotReady;
use credential_plan::rollout::Standing;
use custom_resource::condition::{ConditionReason, ConditionType};
use custom_resource::link::{Link, VpcLink};
use custom_resource::{
    IdentityStatus, ImagePullSecretStatus, MOST_FAILURES, PendingCredential, PrivateLinkStatus,
    RequestStatus, VpcLinkStatus, WriteFailure,
};
use distribution::Tally;
use distribution_conditions::{conflicts, distributed};

mod distribution_conditions;
mod nodes_condition;

/// Everything that a status tells.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The ImagePullSecret.
    pub name: &'a str,
    /// The generation of the spec that all this is about.
    pub generation: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// What is wrong with its spec.
    pub invalid: Option<&'a str>,
    /// How far it is.
    pub sum: Tally,
    /// The hosts its Secret is for.
    pub hosts: &'a [String],
    /// Whether it asks for a credential.
    pub has_credential: bool,
    /// Whether it has a credential.
    pub has_content: bool,
    /// Whether the credential may also push, once the registry said so.
    pub can_push: Option<bool>,
    /// Why the credential before it was replaced.
    pub replaced: Option<&'a str>,
    /// Why it has no credential, or why the one it has cannot be kept up.
    pub not_ready: Option<&'a NotReady>,
    /// Namespaces that have its Secret, in order.
    pub namespaces: Vec<&'a str>,
    /// How it stands with a credential that the spec itself gives; nothing else is wrong with it then.
    pub standing: Option<Standing>,
    /// The credential that waits for its registry's verdict.
    pub pending: Option<PendingCredential>,
    /// Id of a long-term credential, or name of a service account.
    pub token_id: Option<&'a str>,
    /// Who pulls with the credential of an instance.
    pub identity: Option<IdentityStatus>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
    /// A namespace where somebody else's Secret is in the way.
    pub conflict: Option<&'a str>,
    /// Objects that somebody else keeps changing back: how many, and one of them.
    pub contested: Option<(usize, String)>,
    /// Whether nodes shall resolve to the private link; none where there is no instance.
    pub resolves: Option<bool>,
    /// The private link, once it was looked at.
    pub link: Option<&'a Link>,
    /// How far the nodes are with the entries for their hosts files.
    pub nodes: Option<&'a Nodes>,
    /// What is said about a request.
    pub request: Option<&'a RequestStatus>,
    /// Writes that failed last.
    pub failures: Vec<WriteFailure>,
    /// The status there is.
    pub before: &'a ImagePullSecretStatus,
    /// The time.
    pub now: Timestamp,
}

/// A condition before it is compared with the one there is.
struct NewCondition {
    kind: ConditionType,
    status: &'static str,
    reason: ConditionReason,
    message: String,
}

impl NewCondition {
    fn new(kind: ConditionType, holds: bool, reason: ConditionReason, message: String) -> Self {
        Self::judged(kind, Some(holds), reason, message)
    }

    /// The same of what may not be known.
    fn judged(kind: ConditionType, holds: Option<bool>, reason: ConditionReason, message: String) -> Self {
        let status = match holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        Self { kind, status, reason, message }
    }

    /// What is not known keeps nobody waiting.
    fn fails(&self) -> bool {
        self.status == "False"
    }
}

/// The status.
pub fn status(facts: &Facts<'_>) -> ImagePullSecretStatus {
    let Tally { secrets_desired, secrets_success, accounts_desired, accounts_success, .. } = facts.sum;
    let credential = facts.has_credential.then(|| credential(facts));
    let (distributed, conflicts) = (distributed(facts), conflicts(facts));
    let (link, private_link) = match facts.invalid {
        // What it asks for nobody knows; nodes keep what they have.
        Some(_) => (None, Some(facts.before.private_link.clone())),
        None => private_link(facts).unzip(),
    };
    // Where nodes do not resolve to it, nobody waits for it.
    let awaited = link.as_ref().filter(|_| facts.resolves == Some(true));
    let ready = ready(facts, credential.as_ref(), &distributed, awaited);
    let (nodes, can_push) = (nodes_condition::nodes(facts), can_push(facts));
    let all = [Some(ready), credential, Some(distributed), link, nodes, Some(conflicts), can_push];
    let mut failures = facts.failures.clone();
    failures.sort_by(|a, b| a.namespaced_name.cmp(&b.namespaced_name));
    failures.truncate(MOST_FAILURES);
    ImagePullSecretStatus {
        observed_generation: Some(facts.generation),
        conditions: all.into_iter().flatten().map(|new| condition(new, facts)).collect(),
        hosts: facts.hosts.to_vec(),
        secrets_desired: Some(secrets_desired),
        secrets_success: Some(secrets_success),
        s_as_desired: Some(accounts_desired),
        s_as_success: Some(accounts_success),
        token_id: facts.token_id.map(str::to_owned),
        expires_at: facts.expires_at.map(Time),
        identity: facts.identity.clone(),
        pending_credential: facts.pending.clone(),
        private_link: private_link.flatten(),
        // Of interest to those who ask for entries only.
        nodes: facts.link.filter(|link| link.resolves).and(facts.nodes).map(Nodes::status),
        request: facts.request.cloned(),
        failures,
    }
}

/// What is said of the private link, and for machines. Until it was looked at for this spec, what a process before said.
fn private_link(facts: &Facts<'_>) -> Option<(NewCondition, Option<PrivateLinkStatus>)> {
    let kind = ConditionType::PrivateLink;
    let resolves = facts.resolves?;
    if let Some(link) = facts.link.filter(|link| link.resolves == resolves) {
        let said = NewCondition::judged(kind, link.is_up, link.reason, link.message.clone());
        return Some((said, Some(told(link))));
    }
    let last = facts
        .before
        .conditions
        .iter()
        .find(|last| last.type_ == kind.as_str() && last.observed_generation == Some(facts.generation));
    if let Some(last) = last
        && let Some(reason) = ConditionReason::of(&last.reason)
    {
        let holds = match last.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        let said = NewCondition::judged(kind, holds, reason, last.message.clone());
        return Some((said, facts.before.private_link.clone()));
    }
    let message = "it has not been looked at yet".to_owned();
    Some((NewCondition::judged(kind, resolves.then_some(false), ConditionReason::Pending, message), None))
}

fn told(link: &Link) -> PrivateLinkStatus {
    let Link { reason, vpc_id, address, hosts, links, .. } = link;
    let with_address = links.iter().filter(|link| link.address.is_some()).count();
    let summary = match address {
        Some(address) => format!("{reason} {address}"),
        None if links.is_empty() => reason.to_string(),
        None => format!("{reason} {with_address}/{}", links.len()),
    };
    let links = links.iter().map(|VpcLink { vpc_id, reason, address }| VpcLinkStatus {
        vpc_id: vpc_id.clone(),
        reason: reason.to_string(),
        address: address.map(|address| address.to_string()),
    });
    PrivateLinkStatus {
        links: links.collect(),
        summary,
        vpc_id: vpc_id.clone(),
        address: address.map(|address| address.to_string()),
        hosts: hosts.iter().map(|host| host.name().to_owned()).collect(),
    }
}

/// So many namespaces are named in a message.
const MOST_NAMED: usize = 10;

/// What stands in the way of the next credential and not of the one there is.
const STILL_VALID: [ConditionReason; 8] = [
    ConditionReason::CloudFailed,
    ConditionReason::RoleRefused,
    ConditionReason::ApiKeyUnknown,
    ConditionReason::QuotaExceeded,
    ConditionReason::ServiceAccountsUnavailable,
    ConditionReason::NoRegistryNamespace,
    ConditionReason::SuccessorUntried,
    ConditionReason::SuccessorRefused,
];

fn ready(
    facts: &Facts<'_>,
    credential: Option<&NewCondition>,
    distributed: &NewCondition,
    link: Option<&NewCondition>,
) -> NewCondition {
    let first = [credential, Some(distributed), link].into_iter().flatten().find(|it| it.fails());
    match first {
        _ if facts.deleting => NewCondition::new(
            ConditionType::Ready,
            false,
            ConditionReason::Deleting,
            distributed.message.clone(),
        ),
        Some(failing) => {
            NewCondition::new(ConditionType::Ready, false, failing.reason, failing.message.clone())
        }
        None => {
            NewCondition::new(ConditionType::Ready, true, ConditionReason::Ready, distributed.message.clone())
        }
    }
}

fn credential(facts: &Facts<'_>) -> NewCondition {
    let kind = ConditionType::CredentialValid;
    if let Some(Standing { is_valid, reason, message }) = &facts.standing {
        return NewCondition::judged(kind, *is_valid, *reason, message.clone());
    }
    match (facts.not_ready, facts.has_content) {
        // The one that there is still works; the reason says what must be done before it ends.
        (Some(not_ready), has_content) => {
            let is_valid = has_content && STILL_VALID.contains(&not_ready.reason);
            NewCondition::new(kind, is_valid, not_ready.reason, concerned(not_ready, &facts.namespaces))
        }
        (None, true) => {
            let before = facts.replaced.map(|why| format!("; the one before was replaced: {why}"));
            NewCondition::new(
                kind,
                true,
                ConditionReason::Valid,
                format!("there is a credential{}", before.unwrap_or_default()),
            )
        }
        (None, false) => NewCondition::new(
            kind,
            false,
            ConditionReason::Pending,
            "the credential is being obtained".to_owned(),
        ),
    }
}

/// Whose pulls it is about, where these depend on somebody who may be gone.
fn concerned(not_ready: &NotReady, namespaces: &[&str]) -> String {
    let message = &not_ready.message;
    let is_about_them =
        matches!(not_ready.reason, ConditionReason::ApiKeyUnknown | ConditionReason::CamUserGone);
    let (named, rest) = namespaces.split_at(namespaces.len().min(MOST_NAMED));
    match (is_about_them, named, rest.len()) {
        (false, ..) | (true, [], _) => message.clone(),
        (true, named, 0) => format!("{message}. It pulls for the namespaces {}", named.join(", ")),
        (true, named, more) => {
            format!("{message}. It pulls for the namespaces {} and {more} more", named.join(", "))
        }
    }
}

/// What is wrong with a credential that may also push.
pub const CAN_PUSH: &str = "the credential may also push: whoever reads the Secret may change images; use an identity \
                            that may only pull (tcr:PullRepository)";

/// What a registry granted, once it was asked. Everybody who can read the Secret in any namespace has these rights.
fn can_push(facts: &Facts<'_>) -> Option<NewCondition> {
    let kind = ConditionType::CanPush;
    Some(match facts.can_push? {
        true => NewCondition::new(kind, true, ConditionReason::PushGranted, CAN_PUSH.to_owned()),
        false => NewCondition::new(
            kind,
            false,
            ConditionReason::PullOnly,
            "the registry grants no pushing that was seen".to_owned(),
        ),
    })
}

fn condition(new: NewCondition, facts: &Facts<'_>) -> Condition {
    let NewCondition { kind, status, reason, message } = new;
    let before = facts
        .before
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str() && condition.status == status);
    Condition {
        type_: kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: Some(facts.generation),
        // In whole seconds, as the API server keeps it.
        last_transition_time: before.map_or_else(
            || Time(Timestamp::from_second(facts.now.as_second()).unwrap_or(facts.now)),
            |condition| condition.last_transition_time.clone(),
        ),
    }
}

/// A merge patch that makes an object's status this one: what is not there any more is null.
pub fn merge_patch(status: &ImagePullSecretStatus) -> serde_json::Result<Value> {
    let mut patch = json!({
        "conditions": null, "hosts": null, "tokenId": null, "expiresAt": null, "identity": null,
        "pendingCredential": null, "privateLink": null, "nodes": null, "failures": null, "request": null,
    });
    if let (Some(patch), Value::Object(mut fields)) = (patch.as_object_mut(), serde_json::to_value(status)?) {
        // What is in an object is merged too.
        let parts: [(&str, &[&str]); 3] = [
            ("identity", &["registryNamespaces"]),
            ("request", &["instances", "moreInstances"]),
            ("privateLink", &["vpcId", "address", "hosts", "links"]),
        ];
        for (field, parts) in parts {
            if let Some(Value::Object(field)) = fields.get_mut(field) {
                for part in parts {
                    field.entry(*part).or_insert(Value::Null);
                }
            }
        }
        patch.extend(fields);
    }
    Ok(json!({"status": patch}))
}

#[cfg(test)]
mod tests;
