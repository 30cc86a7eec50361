//! What the program does once, and what it says.

use std::fs;

use clap::{CommandFactory, Parser};
use expect_test::expect;
use hosts_agent::args::Args;
use serde_json::Value;

use crate::node::{LOCAL, Node, list, names, stderr};

#[test]
fn once_writes_and_an_empty_list_gives_the_file_back() {
    let node = Node::new("127.0.0.1 localhost");
    node.mount_list(&list("10.0.0.2"));
    let output = node.run(&["--once"]);
    assert!(output.status.success(), "{}", stderr(&output));
    expect![[r#"
        127.0.0.1 localhost
        # BEGIN tcr-assistant hosts-updater checksum=ba403a874dcae1f2 newline=added
        10.0.0.2 demo.tencentcloudcr.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
    "#]]
    .assert_eq(&node.hosts());
    expect![[r#"
        wrote the block: entries 1, generation fc5163e0138ceb26, by rename
    "#]]
    .assert_eq(&stderr(&output));
    assert_eq!(stderr(&node.run(&["--once"])), "", "the second time there is nothing to do or say");
    node.mount_list("[]");
    assert!(node.run(&["--once"]).status.success());
    assert_eq!(node.hosts(), "127.0.0.1 localhost");
    assert_eq!(names(&node.path("etc")), ["hosts"]);
}

#[test]
fn a_refused_list_is_named_and_changes_nothing() {
    let node = Node::new(LOCAL);
    for (yaml, part) in [
        (
            "- {domain: evil.org, ip: 10.0.0.2}",
            "entry 1: domain: \"evil.org\" is not under tencentcloudcr.com",
        ),
        ("- {domain: demo.tencentcloudcr.com, ip: 8.8.8.8}", "entry 1: ip: \"8.8.8.8\""),
        ("- {domain: node-7.tencentcloudcr.com, ip: 10.0.0.2}", "is the node's own name"),
        ("- {domain: localhost, ip: 10.0.0.2}", "entry 1: domain: \"localhost\" is the machine's own"),
    ] {
        node.mount_list(yaml);
        let output = node.run(&["--once", "--node-name=node-7.tencentcloudcr.com"]);
        assert_eq!(output.status.code(), Some(1), "{yaml}");
        assert!(
            stderr(&output).starts_with("error: ") && stderr(&output).contains(part),
            "{}",
            stderr(&output)
        );
        assert_eq!(node.hosts(), LOCAL);
    }
}

#[test]
fn arguments_and_the_environment_widen_the_bounds() {
    let node = Node::new(LOCAL);
    node.mount_list("- {domain: registry.example.com, ip: 100.64.0.2}");
    let output = node
        .command(&["--once", "--allowed-name=registry.example.com"])
        .env("HOSTS_UPDATER_ALLOWED_RANGES", "10.0.0.0/8,100.64.0.0/10")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(node.hosts().contains("\n100.64.0.2 registry.example.com "), "{}", node.hosts());
}

#[test]
fn a_dry_run_prints_the_change_and_makes_none() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.2"));
    let output = node.run(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let hosts = node.hosts_file().display().to_string();
    expect![[r#"
        --- /etc/hosts
        +++ /etc/hosts
        @@ -1,1 +1,4 @@
         127.0.0.1 localhost
        +# BEGIN tcr-assistant hosts-updater checksum=94de8d59544c3a91
        +10.0.0.2 demo.tencentcloudcr.com # tcr-assistant hosts-updater
        +# END tcr-assistant hosts-updater
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap().replace(&hosts, "/etc/hosts"));
    assert_eq!(node.hosts(), LOCAL);
    assert!(node.run(&["--once"]).status.success());
    assert_eq!(node.run(&["--dry-run"]).stdout, b"");
    let removal = node.run(&["--dry-run", "--remove"]).stdout;
    assert!(String::from_utf8(removal).unwrap().contains("\n-10.0.0.2 demo"), "--remove shows the removal");
}

#[test]
fn remove_takes_the_block_out_without_a_list() {
    let node = Node::new(LOCAL);
    node.mount_list(&list("10.0.0.2"));
    assert!(node.run(&["--once"]).status.success());
    fs::remove_file(node.path("config/..data")).unwrap();
    assert!(node.run(&["--remove"]).status.success());
    assert_eq!(node.hosts(), LOCAL);
    let output = node.run(&["--remove"]);
    assert!(output.status.success());
    assert!(stderr(&output).ends_with(" has no block\n"), "{}", stderr(&output));
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let node = Node::new(LOCAL);
    for arguments in [&["--recheck=0s"][..], &["--once", "--remove"], &["--healthcheck=well"], &["extra"]] {
        assert_eq!(node.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn what_the_daemonset_says_the_program_understands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../artifacts/manifests/tcr-assistant.yaml");
    let manifests = fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&manifests).unwrap();
    let set = documents.iter().find(|object| object["kind"] == "DaemonSet").unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let words = |list: &Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    let command = words(&container["command"]);
    let args = Args::try_parse_from([command, words(&container["args"])].concat()).unwrap();
    for probe in ["livenessProbe", "readinessProbe"] {
        let probe = words(&container[probe]["exec"]["command"]);
        assert!(Args::try_parse_from(probe).unwrap().healthcheck.is_some());
    }
    let known: Vec<String> = Args::command()
        .get_arguments()
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .chain([version::CHART_VERSION_VARIABLE.to_owned()])
        .collect();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        assert!(known.iter().any(|env| env == name), "{name} is none of {known:?}");
    }
    let mounted = |path: &std::path::Path| {
        let mounts = container["volumeMounts"].as_array().unwrap();
        mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().unwrap()))
    };
    for path in [&args.config_dir, &args.hosts_file, &args.state_dir] {
        assert!(mounted(path), "{} is no mount", path.display());
    }
}
