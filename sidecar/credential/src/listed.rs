//! The cloud's lists in the form that the plan takes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credential_plan::Key;
use credential_plan::plan::ListedToken;
use tcr::shortened::shortened;
use tencent_cloud::instance_token::InstanceToken;
use tencent_cloud::service_account::{PULL, Permission, ServiceAccount};

/// The longest description of a difference.
const SHOWN: usize = 200;

pub fn token(token: InstanceToken) -> ListedToken {
    let InstanceToken { id, description, enabled, .. } = token;
    ListedToken { id, description, enabled, ..ListedToken::default() }
}

/// A service account from the list, compared with the rights of the key.
pub fn account(key: &Key, account: &ServiceAccount) -> ListedToken {
    let ServiceAccount { name, description, enabled, expires_at, permissions } = account;
    ListedToken {
        id: name.clone(),
        description: description.clone(),
        enabled: *enabled,
        expires_at: *expires_at,
        drift: drift(&key.registry_namespaces, permissions),
    }
}

/// How the rights differ from pulling from these namespaces only.
fn drift(wanted: &[String], permissions: &[Permission]) -> Option<String> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Permission { resource, actions } in permissions {
        found.entry(resource).or_default().extend(actions.iter().map(String::as_str));
    }
    let lacks = wanted
        .iter()
        .filter(|name| !found.get(name.as_str()).is_some_and(|actions| actions.contains(PULL)))
        .map(|name| format!("it may not pull from {name}"));
    let is_wanted =
        |resource: &str, action: &str| action == PULL && wanted.iter().any(|name| name == resource);
    let more = found.iter().flat_map(|(resource, actions)| {
        let more = actions.iter().filter(|action| !is_wanted(resource, action));
        more.map(move |action| format!("it has {action} on {resource}"))
    });
    let differences: Vec<String> = lacks.chain(more).collect();
    (!differences.is_empty()).then(|| shortened(differences.join(", "), SHOWN))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(permissions: &[(&str, &[&str])], expected: Expect) {
        let wanted = ["base".to_owned(), "team-a".to_owned()];
        let permissions = permissions.iter().map(|(resource, actions)| Permission {
            resource: (*resource).to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        });
        let permissions: Vec<Permission> = permissions.collect();
        expected.assert_eq(&drift(&wanted, &permissions).unwrap_or_default());
    }

    #[test]
    fn rights_are_those_that_were_given_or_it_is_said_how_they_differ() {
        const PUSH: &str = "tcr:PushRepository";
        check(&[("team-a", &[PULL]), ("base", &[PULL])], expect![""]);
        check(&[("team-a", &[PULL]), ("base", &[PULL]), ("base", &[PULL])], expect![""]);
        check(&[("team-a", &[PULL])], expect!["it may not pull from base"]);
        check(
            &[("team-a", &[PULL, PUSH]), ("base", &[PULL]), ("other", &[PULL])],
            expect!["it has tcr:PullRepository on other, it has tcr:PushRepository on team-a"],
        );
        check(&[], expect!["it may not pull from base, it may not pull from team-a"]);
        check(
            &[("base", &[PUSH])],
            expect![
                "it may not pull from base, it may not pull from team-a, it has tcr:PushRepository on base"
            ],
        );
    }
}
