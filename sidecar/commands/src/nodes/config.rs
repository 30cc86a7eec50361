//! Hosts entries in the configuration languages of nodes with an immutable hosts file.

use std::fmt::Write as _;
use std::net::IpAddr;

use tcr::hosts_entry::HostsEntry;

/// The system that configuration is printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Config {
    /// A patch of Talos' machine configuration
    Talos,
    /// Bottlerocket's settings, as user data
    Bottlerocket,
    /// cloud-init's user data, for images whose hosts file is written at their first boot
    CloudInit,
    /// CoreDNS' plugin hosts, for a server block of a Corefile
    Coredns,
}

/// Names by their address, in the list's order.
type Lines<'a> = Vec<(IpAddr, Vec<&'a str>)>;

/// The entries, ready to paste, with a comment that tells where.
pub fn text(config: Config, entries: &[&HostsEntry]) -> String {
    let lines = lines(entries);
    match config {
        Config::Talos => talos(&lines),
        Config::Bottlerocket => bottlerocket(&lines),
        Config::CloudInit => cloud_init(&lines),
        Config::Coredns => coredns(&lines),
    }
}

fn lines<'a>(entries: &[&'a HostsEntry]) -> Lines<'a> {
    let mut lines: Lines<'a> = Vec::new();
    for entry in entries {
        match lines.iter_mut().find(|(ip, _)| *ip == entry.ip()) {
            Some((_, names)) => names.push(entry.domain()),
            None => lines.push((entry.ip(), vec![entry.domain()])),
        }
    }
    lines
}

// Names and addresses contain no character with a special meaning in these languages: the list's rules ensure
// that. They are quoted because YAML otherwise reads a name such as "no", or an address' final colon, as
// something else.

fn talos(lines: &Lines<'_>) -> String {
    let mut text = "# talosctl patch machineconfig --nodes NODE --patch @FILE\nmachine:\n  network:\n    extraHostEntries:\n".to_owned();
    for (ip, names) in lines {
        let _ = writeln!(text, "      - ip: \"{ip}\"\n        aliases:");
        names.iter().for_each(|name| {
            let _ = writeln!(text, "          - \"{name}\"");
        });
    }
    text
}

fn bottlerocket(lines: &Lines<'_>) -> String {
    let mut text =
        "# Bottlerocket's user data (TOML); what settings.network.hosts has already must stay in it\n\
                    [settings.network]\nhosts = [\n"
            .to_owned();
    for (ip, names) in lines {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(text, "  [\"{ip}\", [{}]],", names.join(", "));
    }
    text + "]\n"
}

fn cloud_init(lines: &Lines<'_>) -> String {
    let mut text = "#cloud-config\n\
                    # Where manage_etc_hosts is on, the hosts file is written anew at each boot: put the lines into its template.\n\
                    write_files:\n  - path: /etc/hosts\n    append: true\n    content: |\n"
        .to_owned();
    for (ip, names) in lines {
        let _ = writeln!(text, "      {ip} {}", names.join(" "));
    }
    text
}

fn coredns(lines: &Lines<'_>) -> String {
    let mut text = "# Inside a server block of the Corefile. Pods resolve by it; nodes pull images, and do so only where their\n\
                    # resolv.conf names this CoreDNS.\nhosts {\n"
        .to_owned();
    for (ip, names) in lines {
        let _ = writeln!(text, "    {ip} {}", names.join(" "));
    }
    text + "    fallthrough\n}\n"
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(config: Config, expected: Expect) {
        let entries = [
            HostsEntry::new("demo.tencentcloudcr.com", "10.0.0.2", false).unwrap(),
            HostsEntry::new("no", "fd00::", false).unwrap(),
            HostsEntry::new("demo-vpc.tencentcloudcr.com", "10.0.0.2", false).unwrap(),
        ];
        expected.assert_eq(&text(config, &entries.iter().collect::<Vec<_>>()));
    }

    #[test]
    fn talos_has_a_patch_of_the_machine_configuration() {
        check(
            Config::Talos,
            expect![[r#"
                # talosctl patch machineconfig --nodes NODE --patch @FILE
                machine:
                  network:
                    extraHostEntries:
                      - ip: "10.0.0.2"
                        aliases:
                          - "demo.tencentcloudcr.com"
                          - "demo-vpc.tencentcloudcr.com"
                      - ip: "fd00::"
                        aliases:
                          - "no"
            "#]],
        );
    }

    #[test]
    fn bottlerocket_has_settings() {
        check(
            Config::Bottlerocket,
            expect![[r#"
                # Bottlerocket's user data (TOML); what settings.network.hosts has already must stay in it
                [settings.network]
                hosts = [
                  ["10.0.0.2", ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"]],
                  ["fd00::", ["no"]],
                ]
            "#]],
        );
    }

    #[test]
    fn cloud_init_appends_to_the_hosts_file() {
        check(
            Config::CloudInit,
            expect![[r#"
                #cloud-config
                # Where manage_etc_hosts is on, the hosts file is written anew at each boot: put the lines into its template.
                write_files:
                  - path: /etc/hosts
                    append: true
                    content: |
                      10.0.0.2 demo.tencentcloudcr.com demo-vpc.tencentcloudcr.com
                      fd00:: no
            "#]],
        );
    }

    #[test]
    fn coredns_answers_them_and_leaves_the_rest_to_others() {
        check(
            Config::Coredns,
            expect![[r#"
                # Inside a server block of the Corefile. Pods resolve by it; nodes pull images, and do so only where their
                # resolv.conf names this CoreDNS.
                hosts {
                    10.0.0.2 demo.tencentcloudcr.com demo-vpc.tencentcloudcr.com
                    fd00:: no
                    fallthrough
                }
            "#]],
        );
    }

    #[test]
    fn the_yaml_says_what_was_meant() {
        let entry = HostsEntry::new("no", "fd00::", false).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text(Config::Talos, &[&entry])).unwrap();
        let host = &value["machine"]["network"]["extraHostEntries"][0];
        assert_eq!(*host, serde_json::json!({"ip": "fd00::", "aliases": ["no"]}));
        let value: serde_json::Value = serde_saphyr::from_str(&text(Config::CloudInit, &[&entry])).unwrap();
        assert_eq!(value["write_files"][0]["content"], "fd00:: no\n");
    }
}
