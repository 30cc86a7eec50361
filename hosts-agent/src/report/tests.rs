use expect_test::expect;

use super::*;

#[test]
fn the_metrics_are_prometheus_text() {
    let report = Report {
        generation: Some("00112233445566aa".to_owned()),
        entries: 2,
        mode: Some(Mode::Rename),
        passes: 7,
        writes: 3,
        foreign_changes: 1,
        confinement: Confinement::Seccomp,
        network: Network::Vpc("vpc-a1".to_owned()),
        conflicts: Conflicts { first: Vec::new(), count: 1 },
        ..Report::default()
    };
    expect![[r##"
        # HELP hosts_updater_info The generation of the list in the file, how it was written, the node's VPC once that is known, and what confines the process.
        # TYPE hosts_updater_info gauge
        hosts_updater_info{version="0.1.0",generation="00112233445566aa",mode="rename",vpc_id="vpc-a1",confinement="seccomp"} 1
        # HELP hosts_updater_ready 1 when the list is good and the file carries it.
        # TYPE hosts_updater_ready gauge
        hosts_updater_ready 1
        # HELP hosts_updater_list_good 1 when the ConfigMap's list may be written.
        # TYPE hosts_updater_list_good gauge
        hosts_updater_list_good 1
        # HELP hosts_updater_watching 1 when changes are seen at once.
        # TYPE hosts_updater_watching gauge
        hosts_updater_watching 1
        # HELP hosts_updater_entries Lines in the block.
        # TYPE hosts_updater_entries gauge
        hosts_updater_entries 2
        # HELP hosts_updater_conflicts Other lines of the file that give a listed name another address.
        # TYPE hosts_updater_conflicts gauge
        hosts_updater_conflicts 1
        # HELP hosts_updater_withheld_entries Entries that the file does not have because their address does not answer.
        # TYPE hosts_updater_withheld_entries gauge
        hosts_updater_withheld_entries 0
        # HELP hosts_updater_links_down Addresses of private links that do not answer.
        # TYPE hosts_updater_links_down gauge
        hosts_updater_links_down 0
        # HELP hosts_updater_read_only 1 when the node lets nobody write its hosts file.
        # TYPE hosts_updater_read_only gauge
        hosts_updater_read_only 0
        # HELP hosts_updater_without_network 1 when entries are by VPC and the node has none of those: its VPC is not known, is two, or has none.
        # TYPE hosts_updater_without_network gauge
        hosts_updater_without_network 0
        # HELP hosts_updater_confined 1 when the process can open no file of the node.
        # TYPE hosts_updater_confined gauge
        hosts_updater_confined 1
        # HELP hosts_updater_failed_probes_total Probes of links that had no answer.
        # TYPE hosts_updater_failed_probes_total counter
        hosts_updater_failed_probes_total 0
        # HELP hosts_updater_passes_total Looks at list and file.
        # TYPE hosts_updater_passes_total counter
        hosts_updater_passes_total 7
        # HELP hosts_updater_writes_total Replacements of the file.
        # TYPE hosts_updater_writes_total counter
        hosts_updater_writes_total 3
        # HELP hosts_updater_write_failures_total Replacements that failed.
        # TYPE hosts_updater_write_failures_total counter
        hosts_updater_write_failures_total 0
        # HELP hosts_updater_foreign_changes_total Times that somebody else had changed or removed the block.
        # TYPE hosts_updater_foreign_changes_total counter
        hosts_updater_foreign_changes_total 1
        # HELP hosts_updater_names Names that the node shall resolve by the list, by what becomes of them.
        # TYPE hosts_updater_names gauge
        hosts_updater_names{state="used"} 0
        hosts_updater_names{state="shadowed"} 0
        hosts_updater_names{state="not_asked"} 0
        hosts_updater_names{state="link_down"} 0
        hosts_updater_names{state="missing"} 0
        # HELP hosts_updater_unused_name 1 for each name that does not lead to its address, with what becomes of it; at most ten.
        # TYPE hosts_updater_unused_name gauge
    "##]]
    .assert_eq(&report.metrics());
}

#[test]
fn a_problem_is_told_once_and_its_end_too() {
    let calm = Report { generation: Some("1".to_owned()), ..Report::default() };
    let bad = Report { list_problem: Some(Message::new("cannot read it")), ..calm.clone() };
    assert_eq!(bad.news(&calm), ["cannot read it; the last good entries stay"]);
    assert_eq!(bad.news(&bad), Vec::<String>::new());
    assert_eq!(calm.news(&bad), ["the list's problem is over"]);
    assert_eq!(bad.unready(), Some("cannot read it"));
    assert_eq!(calm.unready(), None);
    assert_eq!(Report::default().unready(), Some("the first pass is not over"));
}

#[test]
fn of_many_conflicts_the_first_are_told_and_the_rest_counted() {
    let calm = Report { generation: Some("1".to_owned()), ..Report::default() };
    let conflict = Conflict { line: 3, ip: [1, 1, 1, 1].into(), domain: "a.com".to_owned() };
    let many = Conflicts { first: vec![conflict], count: 70_001 };
    let news = Report { conflicts: many, ..calm.clone() }.news(&calm);
    expect![[r#"
        line 3 also gives a.com the address 1.1.1.1: resolvers return both; remove that line
        70000 more lines give listed names other addresses"#]]
    .assert_eq(&news.join("\n"));
}
