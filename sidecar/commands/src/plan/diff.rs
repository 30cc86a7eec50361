//! A plan as a unified diff of the objects that would be written, without any content of Secrets.

use std::fmt::Write as _;

use tcr::names::FINALIZER;

use super::report::{HostsPlan, ObjectChange, ObjectPlan, Plan, Write, WriteAction};

/// Whether an object exists before and after.
#[derive(Clone, Copy)]
struct There(bool, bool);

const MADE: There = There(false, true);
const GONE: There = There(true, false);
const ALTERED: There = There(true, true);

/// Stands for content that is written and not printed.
const CONTENT: &str = "data: (the credential)";
const LABELS: &str = "metadata: (labels and mark)";

pub fn diff(plan: &Plan) -> String {
    let mut out = String::new();
    plan.image_pull_secrets.iter().for_each(|object| about_object(&mut out, object));
    plan.writes.iter().for_each(|write| about_write(&mut out, write));
    about_hosts(&mut out, &plan.hosts);
    out
}

fn about_object(out: &mut String, object: &ObjectPlan) {
    let name = format!("imagepullsecrets/{}", object.name);
    let finalizer = format!("finalizers: {FINALIZER}");
    match object.change {
        ObjectChange::Created => change(out, &name, MADE, &[], &["spec: (as asked)", &finalizer]),
        ObjectChange::Changed => change(out, &name, ALTERED, &["spec: (as it is)"], &["spec: (as asked)"]),
        ObjectChange::Deleted => change(out, &name, GONE, &["spec: (as it is)"], &[]),
        ObjectChange::Secured => change(out, &name, ALTERED, &[], &[&finalizer]),
        ObjectChange::Unchanged => {}
    }
}

fn about_write(out: &mut String, write: &Write) {
    let Write { namespace, name, action, adds, removes, .. } = write;
    let secret = format!("secrets/{namespace}/{name}");
    match action {
        WriteAction::Create => change(out, &secret, MADE, &[], &[CONTENT, LABELS]),
        WriteAction::Update => {
            change(out, &secret, ALTERED, &["data, metadata: (as they are)"], &[CONTENT, LABELS])
        }
        WriteAction::Replace => {
            change(out, &secret, ALTERED, &["(all of it: no update mends it)"], &[CONTENT, LABELS]);
        }
        WriteAction::TakeOver => {
            change(out, &secret, ALTERED, &["data: (of somebody else)"], &[CONTENT, LABELS])
        }
        WriteAction::Mark => change(out, &secret, ALTERED, &[], &["metadata: (the mark)"]),
        WriteAction::Delete => change(out, &secret, GONE, &[CONTENT], &[]),
        WriteAction::EditReferences => {
            let entries = |names: &[String]| -> Vec<String> {
                names.iter().map(|name| format!("imagePullSecrets: {name}")).collect()
            };
            let (gone, come) = (entries(removes), entries(adds));
            change(
                out,
                &format!("serviceaccounts/{namespace}/{name}"),
                ALTERED,
                &texts(&gone),
                &texts(&come),
            );
        }
    }
}

fn about_hosts(out: &mut String, hosts: &HostsPlan) {
    if hosts.entries.is_empty() {
        return;
    }
    let lines = |added: bool| -> Vec<String> {
        let entries = hosts.entries.iter().filter(|entry| entry.added == added);
        let only_in =
            |vpc_id: &Option<String>| vpc_id.as_ref().map_or(String::new(), |it| format!(" # {it}"));
        entries.map(|it| format!("{} {}{}", it.ip, it.domain, only_in(&it.vpc_id))).collect()
    };
    let (gone, come) = (lines(false), lines(true));
    change(out, "nodes/hosts", ALTERED, &texts(&gone), &texts(&come));
}

fn change(out: &mut String, name: &str, There(before, after): There, gone: &[&str], come: &[&str]) {
    let side = |prefix: &str, is_there: bool| match is_there {
        true => format!("{prefix}/{name}"),
        false => "/dev/null".to_owned(),
    };
    let _ = writeln!(out, "--- {}\n+++ {}", side("a", before), side("b", after));
    for (sign, lines) in [('-', gone), ('+', come)] {
        for line in lines {
            let _ = writeln!(out, "{sign}{line}");
        }
    }
}

fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}
