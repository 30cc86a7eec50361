//! The namespaces of a rendered Secret, as far as they are known without a cluster.

use std::collections::BTreeMap;

use tcr::name_list::NameList;
use tcr::names::derived_secret_name;
use tcr::selection::Selection;

/// The namespaces to render for: the given ones that are selected; else those that the selection
/// names one by one; else `default` as an example.
pub(super) fn namespaces(
    name: &str,
    selection: &Selection,
    given: &[String],
    tell: &mut dyn FnMut(&str),
) -> Vec<String> {
    let by_labels = selection.needs_namespace_labels();
    // Labels of namespaces are known only in the cluster, so names alone decide here.
    let by_name = Selection { namespace_selector: None, ..selection.clone() };
    if by_labels {
        tell(&format!(
            "note: {name}: spec.namespaceSelector decides as well, by labels that only the cluster knows"
        ));
    }
    if given.is_empty() {
        return match selection.namespaces.exact_names() {
            Some(names) => names.into_iter().map(str::to_owned).collect(),
            None => vec!["default".to_owned()],
        };
    }
    let (selected, others): (Vec<_>, Vec<_>) =
        given.iter().cloned().partition(|namespace| by_name.selects_namespace(namespace, &BTreeMap::new()));
    for namespace in others {
        tell(&format!(
            "note: {name}: no Secret for namespace {namespace}, which spec.namespaces {:?} does not select",
            shown(&selection.namespaces)
        ));
    }
    selected
}

/// The writes in a cluster, in one sentence.
pub(super) fn summary(name: &str, selection: &Selection) -> String {
    let labels =
        if selection.needs_namespace_labels() { " whose labels match spec.namespaceSelector" } else { "" };
    format!(
        "Secret {secret} goes to namespaces {namespaces:?}{labels}, and {{\"name\":{secret:?}}} is added to \
         imagePullSecrets of their ServiceAccounts {accounts:?}",
        secret = derived_secret_name(name),
        namespaces = shown(&selection.namespaces),
        accounts = shown(&selection.service_accounts),
    )
}

/// The list as written, and `*` for every way to write all.
fn shown(list: &NameList) -> &str {
    if list.is_all() { "*" } else { list.as_str() }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use tcr::image_pull_secret::ImagePullSecretSpec;

    use super::*;

    #[track_caller]
    fn check(list: &str, given: &[&str], expected: Expect) {
        let spec = ImagePullSecretSpec { namespaces: list.to_owned(), ..ImagePullSecretSpec::default() };
        let selection = Selection::of(&spec).unwrap();
        let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
        let mut told = String::new();
        let found = namespaces("demo", &selection, &given, &mut |line| told.push_str(line));
        expected.assert_eq(&format!("{}|{told}", found.join(" ")));
    }

    #[test]
    fn names_that_are_given_are_taken_when_selected() {
        check(
            "team-*,!team-sandbox",
            &["team-a", "team-sandbox"],
            expect![[
                r#"team-a|note: demo: no Secret for namespace team-sandbox, which spec.namespaces "team-*,!team-sandbox" does not select"#
            ]],
        );
        check("*", &["a", "b"], expect!["a b|"]);
    }

    #[test]
    fn without_names_the_lists_own_are_taken_or_default_as_an_example() {
        check("shop,team", &[], expect!["shop team|"]);
        check("", &[], expect!["default|"]);
        check("team-*", &[], expect!["default|"]);
    }

    #[test]
    fn the_summary_says_who_gets_it() {
        let spec =
            ImagePullSecretSpec { service_accounts: "builder".to_owned(), ..ImagePullSecretSpec::default() };
        expect![[r#"Secret tcr.ipsdemo goes to namespaces "*", and {"name":"tcr.ipsdemo"} is added to imagePullSecrets of their ServiceAccounts "builder""#]].assert_eq(&summary("demo", &Selection::of(&spec).unwrap()));
    }
}
