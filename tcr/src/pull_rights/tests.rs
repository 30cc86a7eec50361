use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::docker_config::DockerConfig;
use crate::docker_config::keyring::credentials;
use crate::image_name::ImageName;
use crate::sensitive::Sensitive;

const HOST: &str = "demo.tencentcloudcr.com";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Each candidate with what it pulls from; `+` before one that the Pod refers to.
#[track_caller]
fn check(image: &str, candidates: &[(&str, &[&str])], expected: Expect) {
    let rights: Vec<(bool, Vec<String>)> =
        candidates.iter().map(|(name, rights)| (name.starts_with('+'), names(rights))).collect();
    let all: Vec<Candidate<'_>> = rights
        .iter()
        .map(|(is_listed, rights)| Candidate { registry_namespaces: rights, is_listed: *is_listed })
        .collect();
    let name = |index: &usize| candidates[*index].0;
    let told = match needed(&format!("{HOST}/{image}"), &all) {
        Needed::All(all) => format!("needs {}", all.iter().map(name).collect::<Vec<_>>().join(", ")),
        Needed::Lacks(index) => format!("lacks in {}", name(&index)),
    };
    expected.assert_eq(&told);
}

#[test]
fn an_image_needs_the_credentials_that_may_pull_it() {
    let tenants: &[(&str, &[&str])] = &[("a", &["team-a", "base"]), ("b", &["team-b", "base"])];
    check("team-a/app:v1", tenants, expect!["needs a"]);
    check("team-b/deep/app", tenants, expect!["needs b"]);
    check("base/app", tenants, expect!["needs a, b"]);
    check("team-a/app", &[], expect!["needs "]);
    let beside: &[(&str, &[&str])] = &[("a", &["team-a"]), ("whole", &[]), ("b", &["team-b"])];
    check("team-a/app", beside, expect!["needs a, whole"]);
    check("other/app", beside, expect!["needs whole"]);
}

#[test]
fn what_none_may_pull_lacks_a_right_in_the_one_that_is_listed_or_the_first() {
    let tenants: &[(&str, &[&str])] = &[("a", &["team"]), ("b", &["team-b"])];
    for image in ["team2/app", "tea/app", "team", "team:v1", "Team/app"] {
        check(image, tenants, expect!["lacks in a"]);
    }
    check("other/app", &[("a", &["team"]), ("+b", &["team-b"]), ("+c", &["c"])], expect!["lacks in +b"]);
}

#[test]
fn what_is_lacking_is_said_in_one_sentence() {
    let check = |image: &str, expected: Expect| expected.assert_eq(&lacks("a", image));
    check(
        "demo.tencentcloudcr.com/team-c/app:v1",
        expect![[
            r#"registryNamespaces of ImagePullSecret a do not have "team-c"; add it there, or correct the image"#
        ]],
    );
    check("demo.tencentcloudcr.com/app:v1", expect!["it is in no registry namespace; correct the image"]);
}

prop_compose! {
    fn some_names()(names in prop::collection::vec("(team|team2|te|base|a[._-]b)", 0..4)) -> Vec<String> {
        names
    }
}

proptest! {
    /// What a kubelet does with the Secrets that the controller writes for credentials beside each other.
    #[test]
    fn a_kubelet_shows_for_an_image_the_credentials_that_may_pull_it_and_no_other(
        all in prop::collection::vec(some_names(), 0..5),
        path in "((team|team2|te|base|a[._-]b)/){0,2}(app|team)(:v1)?",
    ) {
        let image = format!("{HOST}/{path}");
        let logins: Vec<(String, _)> = all.iter().enumerate().map(|(index, rights)| {
            let config = DockerConfig::new([HOST.parse().unwrap()], "u", &Sensitive::new("p"));
            let bytes = config.for_namespaces(rights.iter().cloned()).to_bytes();
            (index.to_string(), DockerConfig::logins(bytes.expose()).unwrap())
        }).collect();
        let secrets = logins.iter().map(|(name, logins): &(String, BTreeMap<_, _>)| (name.as_str(), logins));
        let name: ImageName = image.parse().unwrap();
        let mut shown: Vec<usize> =
            credentials(secrets, &name).iter().map(|it| it.secret.parse().unwrap()).collect();
        shown.sort_unstable();
        shown.dedup();
        let candidates: Vec<Candidate<'_>> =
            all.iter().map(|rights| Candidate { registry_namespaces: rights, is_listed: false }).collect();
        match needed(&image, &candidates) {
            Needed::All(needed) => prop_assert_eq!(needed, shown),
            Needed::Lacks(first) => {
                prop_assert!(shown.is_empty());
                prop_assert_eq!(first, 0);
            }
        }
    }

    /// A reference more or less changes nothing about which ones may pull.
    #[test]
    fn what_a_pod_refers_to_matters_only_where_none_may_pull(
        all in prop::collection::vec((some_names(), any::<bool>()), 1..5),
        path in "((team|team2|te|base|a[._-]b)/){0,2}app",
    ) {
        let image = format!("{HOST}/{path}");
        let candidates: Vec<Candidate<'_>> = all.iter()
            .map(|(rights, is_listed)| Candidate { registry_namespaces: rights, is_listed: *is_listed })
            .collect();
        let blank: Vec<Candidate<'_>> =
            candidates.iter().map(|it| Candidate { is_listed: false, ..*it }).collect();
        match needed(&image, &candidates) {
            Needed::All(it) => {
                prop_assert!(it.iter().all(|index| may_pull(&all[*index].0, &image)));
                prop_assert_eq!(needed(&image, &blank), Needed::All(it));
            }
            Needed::Lacks(index) => {
                prop_assert!(all.iter().all(|(rights, _)| !may_pull(rights, &image)));
                prop_assert_eq!(all[index].1, all.iter().any(|(_, is_listed)| *is_listed));
                prop_assert_eq!(needed(&image, &blank), Needed::Lacks(0));
            }
        }
    }
}
