//! Values of a megabyte, in every place of the list: whatever quotes one stays short.

use std::fs;

use hosts_agent::message::MOST_BYTES;

use crate::node::{LOCAL, Node, get, list, metric, stderr};

/// What the chart gives both processes, in KiB.
const MEMORY: u64 = 16 << 10;

/// Lists of a megabyte, each with one thing that is too long.
fn lists() -> Vec<(String, Vec<u8>)> {
    let entry =
        |domain: &str, ip: &str, rest: &str| format!("- domain: {domain}\n  ip: {ip}\n{rest}").into_bytes();
    let (domain, ip) = ("demo.tencentcloudcr.com", "10.0.0.2");
    let mut lists: Vec<(String, Vec<u8>)> = Vec::new();
    let room = (1 << 20) - 200;
    for (kind, value) in [
        ("plain", "x".repeat(room)),
        ("double quotes", format!("\"{}\"", "\\n\\t\\u001b".repeat(room / 10))),
        ("single quotes", format!("'{}'", "\u{1f600}".repeat(room / 4))),
        ("literal", format!("|\n{}", "    x\n".repeat(room / 6))),
        ("dots", ".".repeat(room)),
        ("digits", "1".repeat(room)),
    ] {
        let mut put = |field: &str, list: Vec<u8>| lists.push((format!("{kind} {field}"), list));
        put("domain", entry(&value, ip, ""));
        put("ip", entry(domain, &value, ""));
        put("disabled", entry(domain, ip, &format!("  disabled: {value}\n")));
        put("whenLinkDown", entry(domain, ip, &format!("  whenLinkDown: {value}\n")));
        put("unknown field's value", entry(domain, ip, &format!("  other: {value}\n")));
        put("list", value.clone().into_bytes());
        put("entry", format!("- {value}\n").into_bytes());
    }
    let long = "x".repeat(room);
    for (name, text) in [
        ("field's name", format!("- {long}: 1\n")),
        ("explicit field's name", format!("- ? {long}\n  : 1\n")),
        ("anchor", format!("- &{long} a\n")),
        ("alias", format!("- *{long}\n")),
        ("tag", format!("- !{long} a\n")),
        ("verbatim tag", format!("- !<{long}> a\n")),
        ("tag of an unknown handle", format!("- !{long}!x a\n")),
        ("directive", format!("%{long}\n--- 1\n")),
        ("tag directive", format!("%TAG !{long}! tag:x\n---\n- !{long}!y a\n")),
        ("comment", format!("# {long}\n- 1\n")),
        ("comment after a value", format!("- domain: a # {long}\n")),
        ("sequences in sequences", "[".repeat(room)),
        ("mappings in mappings", "{".repeat(room)),
        ("block sequences", "- ".repeat(room / 2)),
        ("keys", "? ".repeat(room / 2)),
        ("mappings", "a:\n ".repeat(room / 4)),
        ("an entry's fields", format!("- domain: a.com\n{}", "  x: 1\n".repeat(room / 7))),
        ("entries", "- {domain: a.com, ip: 10.0.0.2}\n".repeat(room / 32)),
        ("documents", "---\n".repeat(room / 4)),
        ("quotes that do not end", format!("- \"{long}")),
        ("escape that there is not", format!("- \"\\q{long}\"")),
        ("tabs", "\t".repeat(room)),
        ("control characters", "\u{1b}\u{7}".repeat(room / 2)),
    ] {
        lists.push((name.to_owned(), text.into_bytes()));
    }
    lists.push(("NUL".to_owned(), vec![0; room]));
    lists.push(("no UTF-8".to_owned(), vec![0xff; room]));
    lists.push(("too much".to_owned(), vec![b'x'; 2 << 20]));
    lists
}

#[test]
#[expect(clippy::print_stdout, reason = "a check that fails says for which list")]
fn a_megabyte_in_any_place_of_the_list_stays_out_of_errors_state_metrics_log_and_memory() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h", "--metrics-ip=127.0.0.1", "--metrics-port=0"]);
    agent.wait("the list", || node.hosts().contains("10.0.0.1 demo").then_some(()));
    let address = agent.metrics_address();
    let good = node.hosts();
    let state_size = fs::metadata(node.path("state/state")).unwrap().len();
    for (name, list) in lists() {
        println!("{name}");
        let passes = || metric(&get(address, "/metrics"), "passes_total");
        let (before, logged) = (passes(), agent.log().len());
        node.mount_bytes(&list);
        agent.wait("a look at the list", || (passes() > before).then_some(()));
        let problem = agent.wait("the refusal", || {
            let output = node.run(&["--healthcheck=ready"]);
            (output.status.code() == Some(1)).then(|| stderr(&output))
        });
        assert!(problem.len() <= MOST_BYTES + "error: not ready: \n".len(), "{}", problem.len());
        assert!(!problem.trim_end().contains(char::is_control), "{problem}");
        assert_eq!(fs::metadata(node.path("state/state")).unwrap().len(), state_size);
        let log = agent.log().split_off(logged);
        assert!(log.len() <= 2 * MOST_BYTES && log.lines().count() <= 2, "{} bytes: {log}", log.len());
        let metrics = get(address, "/metrics");
        assert!(metrics.len() < 8192, "{} bytes", metrics.len());
        assert_eq!(metric(&metrics, "list_good"), 0);
        let output = node.run(&["--once"]);
        assert!(stderr(&output).len() <= MOST_BYTES + "error: \n".len(), "{}", stderr(&output).len());
        assert_eq!(node.hosts(), good, "the last good entries stay");
        let most = agent.most_memory();
        assert!(most < MEMORY, "{most} KiB");
    }
    println!("most memory {} KiB", agent.most_memory());
    node.mount_list(&list("10.0.0.2"));
    agent.wait("the good list", || node.hosts().contains("10.0.0.2 demo").then_some(()));
}

#[test]
fn a_hosts_file_full_of_conflicts_and_of_lines_that_look_like_ours_stays_out_of_log_and_memory() {
    let mut hosts = LOCAL.to_owned();
    while hosts.len() < 3 << 20 {
        hosts += "9.9.9.9 demo.tencentcloudcr.com\n10.0.0.9 other.com # tcr-assistant hosts-updater\n";
    }
    let node = Node::new(&hosts);
    node.mount_list(&list("10.0.0.1"));
    let mut agent = node.start(&["--recheck=1h", "--metrics-ip=127.0.0.1", "--metrics-port=0"]);
    agent.wait("the list", || node.hosts().contains("10.0.0.1 demo").then_some(()));
    let conflicts = || metric(&get(agent.metrics_address(), "/metrics"), "conflicts");
    while conflicts() < 30_000 {
        std::thread::yield_now();
    }
    assert!(agent.log().len() < 4 * MOST_BYTES, "{}", agent.log().len());
    assert!(agent.most_memory() < MEMORY, "{} KiB", agent.most_memory());
}
