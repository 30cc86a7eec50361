//! Whose ImagePullSecrets may say what: the operator's setting `tenants`. The chart says the same once more as a
//! ValidatingAdmissionPolicy (`templates/_tenants.tpl`), which holds while no webhook answers.

use serde_json::Value;

use crate::image_pull_secret::{ConflictPolicy, CredentialKind, ImagePullSecretSpec};
use crate::name_list::NameList;
use crate::quoted::quoted;
use crate::sentence::joined;

#[cfg(test)]
mod tests;

/// Who sends a request, as the API server says it.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The user's name.
    pub username: &'a str,
    /// The groups that the user is in.
    pub groups: &'a [&'a str],
}

/// Why no entry of the setting lets the writer have an ImagePullSecret that says this; none where one does. What is not
/// of an entry's form allows nothing.
pub fn problem(tenants: &[Value], writer: Writer<'_>, spec: &ImagePullSecretSpec) -> Option<String> {
    let mut problems = Vec::new();
    for tenant in tenants.iter().filter(|tenant| is_about(tenant, writer)) {
        problems.push(beyond(tenant, spec)?);
    }
    if problems.is_empty() {
        return Some(format!(
            "{} is no user of the setting tenants, nor any of their groups; ask the cluster's administrators",
            quoted(writer.username)
        ));
    }
    Some(joined(&problems, "; "))
}

fn is_about(tenant: &Value, writer: Writer<'_>) -> bool {
    texts(&tenant["users"]).any(|user| user == writer.username)
        || texts(&tenant["groups"]).any(|group| writer.groups.contains(&group))
}

/// The first field that goes beyond the entry.
fn beyond(tenant: &Value, spec: &ImagePullSecretSpec) -> Option<String> {
    let tcr = spec.tcr.as_ref();
    let instance = tcr.map_or("", |tcr| &tcr.instance_id);
    let instances = &tenant["instanceIds"];
    let role = tcr.and_then(|tcr| tcr.role_arn.as_deref());
    // The nodes' hosts files are everybody's.
    let resolves = tcr.is_some_and(|tcr| tcr.private_network.resolve);
    let rules = [
        ("spec.namespaces", "namespaces", selects_no_more(tenant, spec)),
        ("spec.tcr.credential", "registryNamespaces", pulls_no_more(&tenant["registryNamespaces"], spec)),
        ("spec.tcr.instanceId", "instanceIds", instances.is_null() || covers(instances, instance)),
        ("spec.tcr.roleArn", "roleArns", role.is_none_or(|role| covers(&tenant["roleArns"], role))),
        ("spec.conflictPolicy", "conflictPolicies", takes_no_more(&tenant["conflictPolicies"], spec)),
        ("spec.tcr.privateNetwork.resolve", "namespaces", !resolves || is_all(&tenant["namespaces"])),
    ];
    let (field, setting, _) = rules.into_iter().find(|(_, _, holds)| !holds)?;
    let name = tenant["name"].as_str().unwrap_or_default();
    let mut problem = format!("{field} goes beyond the {setting} of the tenant {}", quoted(name));
    for (index, allowed) in texts(&tenant[setting]).enumerate() {
        problem.push_str(if index == 0 { ": " } else { ", " });
        problem.push_str(allowed);
    }
    Some(problem)
}

/// Each name and glob is within the entry's. Exclusions and selectors only narrow. Or a label that only the tenant's
/// namespaces have is asked for.
fn selects_no_more(tenant: &Value, spec: &ImagePullSecretSpec) -> bool {
    let allowed = &tenant["namespaces"];
    if is_all(allowed) {
        return true;
    }
    let labels = tenant["namespaceLabels"].as_object();
    if let (Some(labels), Some(selector)) = (labels, &spec.namespace_selector)
        && !labels.is_empty()
        && labels.iter().all(|(key, value)| {
            selector.match_labels.get(key).is_some_and(|asked| value.as_str() == Some(asked))
        })
    {
        return true;
    }
    let Ok(list) = spec.namespaces.parse::<NameList>() else { return false };
    let mut included = list.included().peekable();
    included.peek().is_some() && included.all(|pattern| covers(allowed, pattern))
}

/// Only the entry's registry namespaces, so that it has to be a service account: every other credential pulls whatever
/// its identity may.
fn pulls_no_more(allowed: &Value, spec: &ImagePullSecretSpec) -> bool {
    is_all(allowed)
        || spec.tcr.as_ref().is_some_and(|tcr| {
            let names = &tcr.credential.registry_namespaces;
            tcr.credential.kind == CredentialKind::ServiceAccount
                && !names.is_empty()
                && names.iter().all(|name| covers(allowed, name))
        })
}

fn takes_no_more(allowed: &Value, spec: &ImagePullSecretSpec) -> bool {
    match spec.conflict_policy.unwrap_or_default() {
        ConflictPolicy::Never => true,
        ConflictPolicy::Adopt => covers(allowed, "adopt"),
        ConflictPolicy::Overwrite => covers(allowed, "overwrite"),
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a name, or all that a glob matches, is within a list of names and of beginnings that end with `*`.
fn covers(list: &Value, name: &str) -> bool {
    texts(list).any(|allowed| match allowed.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == allowed,
    })
}

fn is_all(list: &Value) -> bool {
    covers(list, "*")
}
