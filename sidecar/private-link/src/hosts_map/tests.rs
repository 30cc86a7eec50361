use expect_test::{Expect, expect};
use tcr::image_pull_secret::WhenLinkDown;

use super::*;

const OURS: &str =
    "- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n  disabled: false\n  whenLinkDown: Keep\n";

fn resolved(fact: Fact) -> Resolved {
    let hosts = vec!["demo.tencentcloudcr.com".parse().unwrap()];
    Resolved { vpc_id: None, hosts, fact, when_down: WhenLinkDown::Keep }
}

fn up() -> Resolved {
    resolved(Fact::Up([10, 0, 0, 2].into()))
}

#[track_caller]
fn check(map: HostsMap, resolved: &[Resolved], expected: Expect) {
    let planned = match map.plan(&[], resolved, |_| false) {
        Ok(Planned { write, generation }) => format!("write {write:?}, generation {generation:?}"),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&planned);
}

fn map(text: &str) -> HostsMap {
    HostsMap { text: Some(text.to_owned()), is_withdrawn: false }
}

#[test]
fn only_what_differs_is_written() {
    check(
        HostsMap::default(),
        &[up()],
        expect![[
            r#"write Some("- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n  disabled: false\n  whenLinkDown: Keep\n"), generation "f01bd56c4e920ce5""#
        ]],
    );
    check(map(OURS), &[up()], expect![[r#"write None, generation "f01bd56c4e920ce5""#]]);
    let spelt_otherwise = OURS.replace("disabled: false", "disabled:   false # no");
    check(map(&spelt_otherwise), &[up()], expect![[r#"write None, generation "f01bd56c4e920ce5""#]]);
}

#[test]
fn without_entries_and_without_a_list_there_is_no_generation() {
    check(HostsMap::default(), &[], expect![[r#"write None, generation """#]]);
    check(map("[]\n"), &[], expect![[r#"write None, generation "dcd1cd1a2138b85d""#]]);
}

#[test]
fn nodes_have_no_entries_while_the_add_on_is_removed() {
    check(
        HostsMap { is_withdrawn: true, ..map(OURS) },
        &[up()],
        expect![[r#"write Some("[]\n"), generation "dcd1cd1a2138b85d""#]],
    );
}

#[test]
fn a_list_that_cannot_be_read_is_replaced_only_by_one_that_is_whole() {
    let broken = map("- domain: [");
    assert!(broken.entries().is_empty());
    check(
        broken.clone(),
        &[up(), resolved(Fact::Unknown)],
        expect!["error: it has no list that can be read, and not all links are known yet"],
    );
    check(
        broken,
        &[up()],
        expect![[
            r#"write Some("- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n  disabled: false\n  whenLinkDown: Keep\n"), generation "f01bd56c4e920ce5""#
        ]],
    );
}

#[test]
fn entries_stay_while_a_link_is_not_known() {
    check(map(OURS), &[resolved(Fact::Unknown)], expect![[r#"write None, generation "f01bd56c4e920ce5""#]]);
}
