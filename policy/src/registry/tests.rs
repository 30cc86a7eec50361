//! Discovery: what the cluster's ImagePullSecrets say.

use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Entry, Wanted};

use crate::cluster::tests::{Objects, Unreachable};
use crate::json::Scanner;
use crate::tests::{check_with, pod, request};

fn object(name: &str, spec: Value, status: Value) -> Value {
    json!({"kind": "ImagePullSecret", "metadata": {"name": name}, "spec": spec, "status": status})
}

fn create(image: &str) -> Value {
    request("CREATE", pod(json!({"containers": [{"image": image}]})))
}

fn discover() -> Value {
    json!({"discover": true})
}

#[test]
fn an_object_names_its_hosts_in_three_places() {
    let cluster = Objects::new([
        object("static", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({})),
        object("custom", json!({"tcr": {"domains": ["default", "b.tencentcloudcr.com"]}}), json!({})),
        object(
            "resolved",
            json!({"tcr": {}}),
            json!({"hosts": ["c.tencentcloudcr.com", "c-vpc.tencentcloudcr.com"]}),
        ),
    ]);
    check_with(
        create("a.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsstatic"}]
          injected: tcr.ipsstatic (a.tencentcloudcr.com/x)
    "#]],
    );
    check_with(
        create("b.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipscustom"}]
          injected: tcr.ipscustom (b.tencentcloudcr.com/x)
    "#]],
    );
    check_with(
        create("c-vpc.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipsresolved"}]
          injected: tcr.ipsresolved (c-vpc.tencentcloudcr.com/x)
    "#]],
    );
}

#[test]
fn an_object_that_is_being_deleted_or_cannot_be_carried_out_selects_nothing() {
    let spec = json!({"docker": {"server": "a.tencentcloudcr.com"}});
    let mut deleted = object("deleted", spec.clone(), json!({}));
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut broken = object("broken", spec.clone(), json!({}));
    broken["spec"]["namespaces"] = json!("A B");
    let mut elsewhere = object("elsewhere", spec, json!({}));
    elsewhere["spec"]["namespaces"] = json!("team-b");
    let cluster = Objects::new([deleted, broken, elsewhere]);
    check_with(
        create("a.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        accepted
          skipped: tcr.ipselsewhere is not for the namespace "team-a"
    "#]],
    );
}

#[test]
fn an_entry_of_the_settings_replaces_the_object_of_its_name() {
    let cluster = Objects::new([
        object("one", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({})),
        object("two", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({})),
    ]);
    let settings = json!({"discover": true, "registries": [
        {"name": "two", "hosts": ["a.tencentcloudcr.com"]},
        {"name": "zero", "hosts": ["a.tencentcloudcr.com"], "namespaces": "team-b"},
    ]});
    check_with(
        create("a.tencentcloudcr.com/x"),
        settings,
        &cluster,
        expect![[r#"
        patched
          list: [{"name":"tcr.ipstwo"},{"name":"tcr.ipsone"}]
          injected: tcr.ipstwo (a.tencentcloudcr.com/x); tcr.ipsone (a.tencentcloudcr.com/x)
          skipped: tcr.ipszero is not for the namespace "team-a"
    "#]],
    );
}

#[test]
fn images_of_other_roots_need_no_question() {
    let cluster = Objects::new([]);
    check_with(
        create("nginx"),
        discover(),
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
    check_with(
        create("a.eviltencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
    assert_eq!(cluster.asked(), Vec::<String>::new());
}

#[test]
fn the_cluster_is_listed_once() {
    let cluster =
        Objects::new([object("one", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({}))]);
    check_with(
        create("b.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        accepted
          warning: image "b.tencentcloudcr.com/x" gets no pull secret, because no registry has its host; did you mean a.tencentcloudcr.com?
    "#]],
    );
    assert_eq!(cluster.asked(), ["list_resources_all ImagePullSecret"]);
}

#[test]
fn an_unknown_host_is_no_mistake_while_hosts_are_still_to_be_found_out() {
    let cluster = Objects::new([
        object("one", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({})),
        object("new", json!({"tcr": {"instanceId": "tcr-1a2b3c4d"}}), json!({})),
    ]);
    check_with(
        create("b.tencentcloudcr.com/x"),
        discover(),
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn a_cluster_that_cannot_be_asked_admits_or_refuses() {
    check_with(
        create("a.tencentcloudcr.com/x"),
        discover(),
        &Unreachable,
        expect![[r#"
        accepted
          warning: cannot list the ImagePullSecrets: connection refused; what they say is not applied to this request
          undecided: cannot list the ImagePullSecrets: connection refused
    "#]],
    );
    let settings = json!({"discover": true, "onDiscoveryFailure": "reject"});
    check_with(
        create("a.tencentcloudcr.com/x"),
        settings,
        &Unreachable,
        expect![[r#"
        rejected 503: cannot list the ImagePullSecrets: connection refused; try again, or ask the cluster's administrator
    "#]],
    );
}

#[test]
fn an_entry_of_the_settings_replaces_the_object_whatever_its_hosts_are() {
    let cluster =
        Objects::new([object("one", json!({"docker": {"server": "a.tencentcloudcr.com"}}), json!({}))]);
    let settings =
        json!({"discover": true, "registries": [{"name": "one", "hosts": ["b.tencentcloudcr.com"]}]});
    check_with(
        create("a.tencentcloudcr.com/x"),
        settings,
        &cluster,
        expect![[r#"
        accepted
    "#]],
    );
}

/// A JSON string with its first character escaped or not.
fn written(text: &str, escaped: bool) -> String {
    match text.chars().next() {
        Some(first) if escaped => format!("\"\\u{:04x}{}\"", u32::from(first), &text[first.len_utf8()..]),
        _ => format!("\"{text}\""),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Elements that mention nothing wanted are passed over unread: no wanted one is among them.
    #[test]
    fn a_long_list_gives_what_is_wanted_of_it(
        entries in prop::collection::vec(("[ab]{0,2}", "[aAb]{1,2}\\.x", "[ab]{0,2}", any::<bool>()), 0..8),
        hosts in prop::collection::vec("[aAb]{1,2}\\.x", 0..2),
        names in prop::collection::btree_set("[ab]{1,2}", 0..3),
        instance in prop::option::of("[ab]{1,2}"),
    ) {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wanted = Wanted { hosts: &hosts, names: &names, instance: instance.as_deref(), all: false };
        let is_wanted = |name: &str, host: &str, id: Option<&str>| {
            !name.is_empty()
                && (hosts.iter().any(|wanted| wanted.eq_ignore_ascii_case(host))
                    || names.contains(&name)
                    || id.is_some_and(|id| instance.as_deref() == Some(id)))
        };
        let indices = |id_counts: bool| -> Vec<usize> {
            let all = entries.iter().enumerate();
            let wanted = all.filter(|(_, (name, host, id, _))| is_wanted(name, host, id_counts.then_some(id)));
            wanted.map(|(index, _)| index).collect()
        };
        let index = |entries: Vec<Entry<'_>>| -> Vec<usize> { entries.iter().map(|entry| entry.index).collect() };

        let of_settings = entries.iter().map(|(name, host, _, escaped)| {
            format!(r#"{{"name":{},"hosts":[{}]}}"#, written(name, *escaped), written(host, *escaped))
        });
        let settings = format!("[{}]", of_settings.collect::<Vec<_>>().join(","));
        let found = Entry::in_settings(&mut Scanner::new(settings.as_bytes(), 0), &wanted).unwrap();
        prop_assert_eq!(index(found), indices(false), "{}", settings);

        let of_cluster = entries.iter().map(|(name, host, id, escaped)| {
            let [name, host, id] = [name, host, id].map(|text| written(text, *escaped));
            format!(r#"{{"metadata":{{"name":{name}}},"spec":{{"tcr":{{"instanceId":{id},"domains":[{host}]}}}}}}"#)
        });
        let listing = format!(r#"{{"items":[{}]}}"#, of_cluster.collect::<Vec<_>>().join(", "));
        let found = Entry::in_cluster(&mut Scanner::new(listing.as_bytes(), 0), &wanted).unwrap();
        prop_assert_eq!(index(found), indices(true), "{}", listing);
    }
}
