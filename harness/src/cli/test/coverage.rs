//! Which of a policy's rules cases are for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::metadata::{Operation, Rule};

/// Combinations of a resource and an operation that the rules name.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    rules: usize,
    tried: usize,
    untried: Vec<String>,
}

/// What of a request a rule is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    resource: Resource,
    #[serde(default)]
    sub_resource: Option<String>,
    operation: String,
}

#[derive(Deserialize)]
struct Resource {
    group: String,
    version: String,
    resource: String,
}

/// One combination, as a rule names it: each may be `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    group: String,
    version: String,
    resource: String,
    operation: &'static str,
}

pub(super) fn of<'a>(rules: &[Rule], requests: impl Iterator<Item = &'a str>) -> Coverage {
    let named: BTreeSet<Named> = rules.iter().flat_map(combinations).collect();
    let seen: Vec<Seen> = requests.filter_map(|request| serde_json::from_str(request).ok()).collect();
    let (tried, untried): (Vec<&Named>, Vec<&Named>) =
        named.iter().partition(|named| seen.iter().any(|seen| named.covers(seen)));
    let untried = untried.into_iter().map(Named::to_string).collect();
    Coverage { rules: named.len(), tried: tried.len(), untried }
}

fn combinations(rule: &Rule) -> Vec<Named> {
    let mut named = Vec::new();
    for group in &rule.api_groups {
        for version in &rule.api_versions {
            for resource in &rule.resources {
                for operation in &rule.operations {
                    let (group, version, resource) = (group.clone(), version.clone(), resource.clone());
                    named.push(Named { group, version, resource, operation: word(*operation) });
                }
            }
        }
    }
    named
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
        Operation::All => "*",
    }
}

impl Named {
    fn covers(&self, seen: &Seen) -> bool {
        let fits = |named: &str, seen: &str| named == "*" || named == seen;
        let (resource, sub_resource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let seen_sub_resource = seen.sub_resource.as_deref().unwrap_or_default();
        fits(&self.group, &seen.resource.group)
            && fits(&self.version, &seen.resource.version)
            && fits(resource, &seen.resource.resource)
            && (fits(sub_resource, seen_sub_resource) || self.resource == "*/*")
            && fits(self.operation, &seen.operation)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, version, resource, operation } = self;
        match group.as_str() {
            "" => write!(f, "{operation} of {resource} ({version})"),
            group => write!(f, "{operation} of {resource} ({group}/{version})"),
        }
    }
}

impl Coverage {
    pub(super) fn shown(&self, as_json: bool) -> anyhow::Result<String> {
        if as_json {
            return Ok(format!("{}\n", serde_json::json!({ "coverage": self })));
        }
        let Self { rules, tried, untried } = self;
        let untried: String = untried.iter().map(|named| format!("  no case  {named}\n")).collect();
        Ok(format!("\n{tried} of {rules} combinations of the rules have a case\n{untried}"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_combination_is_tried_by_a_request_that_the_rule_is_for() {
        let rule = |resources: &[&str], operations: &[Operation]| Rule {
            api_groups: vec!["".into()],
            api_versions: vec!["v1".into()],
            resources: resources.iter().map(|it| (*it).to_owned()).collect(),
            operations: operations.to_vec(),
        };
        let rules = [
            rule(&["pods", "pods/status"], &[Operation::Create, Operation::Update]),
            rule(&["*"], &[Operation::All]),
            rule(&["nodes/*"], &[Operation::Delete]),
        ];
        let request = |resource: &str, sub: &str, operation: &str| {
            format!(
                r#"{{"resource":{{"group":"","version":"v1","resource":"{resource}"}},"subResource":"{sub}","operation":"{operation}"}}"#
            )
        };
        let requests =
            [request("pods", "", "CREATE"), request("nodes", "status", "DELETE"), request("x", "", "DELETE")];
        let coverage = of(&rules, requests.iter().map(String::as_str));
        expect![[r#"

            3 of 6 combinations of the rules have a case
              no case  UPDATE of pods (v1)
              no case  CREATE of pods/status (v1)
              no case  UPDATE of pods/status (v1)
        "#]]
        .assert_eq(&coverage.shown(false).unwrap());
        expect![[r#"
            {"coverage":{"rules":6,"tried":3,"untried":["UPDATE of pods (v1)","CREATE of pods/status (v1)","UPDATE of pods/status (v1)"]}}
        "#]]
        .assert_eq(&coverage.shown(true).unwrap());
    }
}
