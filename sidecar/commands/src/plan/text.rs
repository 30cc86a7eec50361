//! Prints a plan for people: changes that are the same in many namespaces are printed once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::{
    CredentialAction, CredentialPlan, HostsChange, HostsPlan, Note, ObjectChange, ObjectPlan, Plan, Write,
    WriteAction,
};

/// Namespaces that are named of many.
const MOST_NAMED: usize = 5;

pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    section(&mut out, "ImagePullSecrets", plan.image_pull_secrets.iter().filter_map(object));
    section(&mut out, "Credentials", plan.credentials.iter().map(credential));
    section(&mut out, "Secrets", secrets(&plan.writes));
    section(&mut out, "References of ServiceAccounts", references(&plan.writes));
    hosts(&mut out, &plan.hosts);
    section(&mut out, "Conflicts", conflicts(plan));
    section(&mut out, "Refused at admission", plan.refused.iter().map(said));
    section(&mut out, "To know", plan.notes.iter().map(said));
    section(&mut out, "Not known", plan.not_known.iter().cloned());
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", sum(plan));
    out
}

fn section(out: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{title}:");
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn said(said: &Note) -> String {
    format!("{}: {}", said.about, said.message)
}

fn object(object: &ObjectPlan) -> Option<String> {
    let ObjectPlan { name, change, namespaces, service_accounts } = object;
    let where_to =
        format!("{}, {}", counted(*namespaces, "namespace"), counted(*service_accounts, "ServiceAccount"));
    match change {
        ObjectChange::Created => Some(format!("{name} is created: {where_to}")),
        ObjectChange::Changed => Some(format!("{name} is changed: {where_to}")),
        ObjectChange::Deleted => Some(format!("{name} is deleted, with what it led to")),
        ObjectChange::Secured => Some(format!("{name} is taken up by the controller: {where_to}")),
        ObjectChange::Unchanged => None,
    }
}

fn credential(plan: &CredentialPlan) -> String {
    let CredentialPlan {
        action,
        instance_id,
        region,
        kind,
        registry_namespaces,
        token_id,
        image_pull_secrets,
        why,
    } = plan;
    let verb = match action {
        CredentialAction::Create => "create a",
        CredentialAction::Renew => "renew the",
        CredentialAction::Revoke => "revoke the",
        CredentialAction::Retain => "leave the",
    };
    let id = token_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let users = match image_pull_secrets.is_empty() {
        true => String::new(),
        false => format!(", for {}", image_pull_secrets.join(", ")),
    };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let pulls = match registry_namespaces.as_slice() {
        [] => String::new(),
        names => format!(", which may pull from {}", names.join(", ")),
    };
    format!("{verb} {kind} credential{id} of {instance_id} ({region}){pulls}{users}{why}")
}

fn secrets(writes: &[Write]) -> Vec<String> {
    let mut groups: BTreeMap<(WriteAction, &str), Vec<&str>> = BTreeMap::new();
    for write in writes.iter().filter(|write| write.action != WriteAction::EditReferences) {
        groups.entry((write.action, &write.name)).or_default().push(&write.namespace);
    }
    let line = |((action, name), namespaces): ((WriteAction, &str), Vec<&str>)| {
        let (verb, after) = match action {
            WriteAction::Create => ("create", ""),
            WriteAction::Update => ("update", ""),
            WriteAction::TakeOver => ("take over", ", of somebody else"),
            WriteAction::Replace => ("replace", ", which no update mends"),
            WriteAction::Mark => ("mark", ""),
            WriteAction::Delete => ("delete", ""),
            WriteAction::EditReferences => ("edit", ""),
        };
        let (count, places) = (counted(namespaces.len(), "namespace"), named(&namespaces));
        format!("{verb} {name}{after} in {count}: {places}")
    };
    groups.into_iter().map(line).collect()
}

fn references(writes: &[Write]) -> Vec<String> {
    type Group<'a> = (&'a [String], &'a [String]);
    let mut groups: BTreeMap<Group<'_>, Vec<String>> = BTreeMap::new();
    for write in writes.iter().filter(|write| write.action == WriteAction::EditReferences) {
        let place = format!("{}/{}", write.namespace, write.name);
        groups.entry((&write.adds, &write.removes)).or_default().push(place);
    }
    let line = |((adds, removes), accounts): (Group<'_>, Vec<String>)| {
        let added = (!adds.is_empty()).then(|| format!("add {}", adds.join(", ")));
        let removed = (!removes.is_empty()).then(|| format!("remove {}", removes.join(", ")));
        let what: Vec<String> = [added, removed].into_iter().flatten().collect();
        let places: Vec<&str> = accounts.iter().map(String::as_str).collect();
        format!("{} at {}: {}", what.join(" and "), counted(accounts.len(), "ServiceAccount"), named(&places))
    };
    groups.into_iter().map(line).collect()
}

fn hosts(out: &mut String, plan: &HostsPlan) {
    let HostsPlan { entries, pending, nodes, nodes_without } = plan;
    let mut lines: Vec<String> = entries
        .iter()
        .map(|HostsChange { added, domain, ip, vpc_id }| {
            let only_in = vpc_id.as_ref().map_or(String::new(), |vpc_id| format!(" in {vpc_id}"));
            format!("{} {domain} {ip}{only_in}", if *added { "add" } else { "remove" })
        })
        .collect();
    lines.extend(pending.iter().map(said));
    if !lines.is_empty() {
        let name = |names: &[String]| named(&names.iter().map(String::as_str).collect::<Vec<_>>());
        if !nodes.is_empty() {
            lines.push(format!("on {}: {}", counted(nodes.len(), "node"), name(nodes)));
        }
        if !nodes_without.is_empty() {
            let count = counted(nodes_without.len(), "node");
            lines.push(format!("not on {count}, where no hosts-updater runs: {}", name(nodes_without)));
        }
    }
    section(out, "Entries of nodes' hosts files", lines);
}

fn conflicts(plan: &Plan) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for conflict in &plan.conflicts {
        groups.entry(&conflict.secret).or_default().push(&conflict.namespace);
    }
    let line = |(secret, namespaces): (&str, Vec<&str>)| {
        format!(
            "{secret} is somebody else's in {}, and is left alone: {}; delete it, or set spec.conflictPolicy to adopt or \
             overwrite",
            counted(namespaces.len(), "namespace"),
            named(&namespaces)
        )
    };
    groups.into_iter().map(line).collect()
}

fn sum(plan: &Plan) -> String {
    if !plan.changes {
        return match plan.not_known.is_empty() {
            true => "Nothing would change.".to_owned(),
            false => "Nothing would change, as far as it is known.".to_owned(),
        };
    }
    let of = |action: WriteAction| plan.writes.iter().filter(|write| write.action == action).count();
    let secrets = plan.writes.len() - of(WriteAction::EditReferences);
    format!(
        "Would change: {}, {}, {}, {}, {}.",
        counted(
            plan.image_pull_secrets.iter().filter(|it| it.change != ObjectChange::Unchanged).count(),
            "ImagePullSecret"
        ),
        counted(plan.credentials.len(), "credential"),
        counted(secrets, "Secret"),
        counted(of(WriteAction::EditReferences), "ServiceAccount"),
        match plan.hosts.entries.len() {
            1 => "1 hosts entry".to_owned(),
            count => format!("{count} hosts entries"),
        },
    )
}

fn counted(count: impl TryInto<i64>, what: &str) -> String {
    match count.try_into().unwrap_or(i64::MAX) {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// The first names of many.
fn named(names: &[&str]) -> String {
    let first = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
