//! The rules for rules: what Kubernetes accepts in a webhook configuration.

use std::collections::BTreeSet;

use super::{Operation, Rule};

/// Checks one rule; the bad field and the reason.
pub(super) fn check(rule: &Rule) -> Result<(), (&'static str, String)> {
    let Rule { api_groups, api_versions, resources, operations } = rule;
    names(api_groups).map_err(|reason| ("apiGroups", reason))?;
    names(api_versions).map_err(|reason| ("apiVersions", reason))?;
    resource_names(resources).map_err(|reason| ("resources", reason))?;
    match &operations[..] {
        [] => Err(("operations", "it must not be empty".into())),
        [_, _, ..] if operations.contains(&Operation::All) => {
            Err(("operations", "\"*\" must be alone".into()))
        }
        _ => Ok(()),
    }
}

fn names(names: &[String]) -> Result<(), String> {
    match names {
        [] => Err("it must not be empty".into()),
        [_, _, ..] if names.iter().any(|name| name == "*") => Err("\"*\" must be alone".into()),
        _ => Ok(()),
    }
}

fn resource_names(resources: &[String]) -> Result<(), String> {
    let mut with_all_subresources = BTreeSet::new();
    let mut subresources_of_all = BTreeSet::new();
    let mut plain = None;
    if resources.is_empty() {
        return Err("it must not be empty".into());
    }
    for name in resources {
        match name.split_once('/') {
            None if name.is_empty() => return Err("\"\" is no resource".into()),
            None if name != "*" => plain = Some(name),
            None => {}
            Some((resource, subresource)) => {
                if with_all_subresources.contains(resource) {
                    return Err(format!("\"{resource}/*\" covers \"{name}\" already"));
                }
                if subresources_of_all.contains(subresource) {
                    return Err(format!("\"*/{subresource}\" covers \"{name}\" already"));
                }
                if subresource == "*" {
                    with_all_subresources.insert(resource);
                }
                if resource == "*" {
                    subresources_of_all.insert(subresource);
                }
            }
        }
    }
    if resources.len() > 1 && resources.iter().any(|name| name == "*/*") {
        return Err("\"*/*\" must be alone".into());
    }
    match plain {
        Some(name) if resources.iter().any(|name| name == "*") => {
            Err(format!("\"*\" covers \"{name}\" already"))
        }
        _ => Ok(()),
    }
}
