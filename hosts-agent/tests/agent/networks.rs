//! Nodes in several networks: each takes the entries of its own VPC, as instance metadata tells it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::node::{LOCAL, Node, get, metric, stderr};

/// The instance metadata of a machine, on this machine's loopback.
struct Metadata {
    address: SocketAddr,
    vpc_id: Arc<Mutex<Option<String>>>,
}

impl Metadata {
    /// Metadata of a machine in that VPC; without one it answers nobody.
    fn of(vpc_id: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let vpc_id = Arc::new(Mutex::new(vpc_id.map(str::to_owned)));
        let told = vpc_id.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let Some(vpc_id) = told.lock().unwrap().clone() else { continue };
                let body = match head[0].split(' ').nth(1).unwrap() {
                    "/latest/meta-data/network/interfaces/macs/" => "52:54:00:00:00:01/\n".to_owned(),
                    "/latest/meta-data/network/interfaces/macs/52:54:00:00:00:01/vpc-id" => vpc_id,
                    other => panic!("nobody asks {other}"),
                };
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes());
            }
        });
        Self { address, vpc_id }
    }

    fn tell(&self, vpc_id: Option<&str>) {
        *self.vpc_id.lock().unwrap() = vpc_id.map(str::to_owned);
    }

    fn argument(&self) -> String {
        format!("--metadata={}", self.address)
    }
}

/// Two networks' entries, and one for all.
const BY_VPC: &str = "- domain: all.tencentcloudcr.com\n  ip: 10.0.0.9\n\
                      - domain: demo.tencentcloudcr.com\n  ip: 10.1.0.2\n  vpcId: vpc-one\n\
                      - domain: demo.tencentcloudcr.com\n  ip: 10.2.0.2\n  vpcId: vpc-two\n";

#[test]
fn three_nodes_in_two_networks_each_take_their_own_entries_from_one_list() {
    let machines = [("vpc-one", "10.1.0.2"), ("vpc-two", "10.2.0.2"), ("vpc-two", "10.2.0.2")];
    for (vpc_id, address) in machines {
        let (node, metadata) = (Node::new(LOCAL), Metadata::of(Some(vpc_id)));
        node.mount_list("- domain: demo.tencentcloudcr.com\n  ip: 10.1.0.2\n");
        let arguments = ["--recheck=1h", "--metrics-ip=127.0.0.1", "--metrics-port=0", &metadata.argument()];
        let mut agent = node.start(&arguments);
        agent.wait("the entry for all", || node.hosts().contains("10.1.0.2 demo").then_some(()));
        node.mount_list(BY_VPC);
        agent.wait("the network's entry", || {
            let hosts = node.hosts();
            (hosts.contains(&format!("{address} demo")) && hosts.contains("10.0.0.9 all")).then_some(())
        });
        assert_eq!(node.hosts().matches(" demo.tencentcloudcr.com").count(), 1, "{}", node.hosts());
        let metrics_address = agent.metrics_address();
        let metrics = agent.wait("the metrics", || {
            let metrics = get(metrics_address, "/metrics");
            metrics.contains(&format!("vpc_id=\"{vpc_id}\"")).then_some(metrics)
        });
        assert_eq!(metric(&metrics, "without_network"), 0);
        assert!(agent.log().contains(&format!("this node is in {vpc_id}\n")), "{}", agent.log());
    }
}

#[test]
fn a_confined_node_without_metadata_takes_what_is_for_all_until_it_is_told() {
    for confinement in ["landlock", "seccomp"] {
        let (node, metadata) = (Node::new(LOCAL), Metadata::of(None));
        node.mount_list(BY_VPC);
        let confinement = format!("--confinement={confinement}");
        let arguments = [
            "--recheck=1s",
            "--metrics-ip=127.0.0.1",
            "--metrics-port=0",
            &metadata.argument(),
            &confinement,
        ];
        let mut agent = node.start(&arguments);
        agent.wait("the entry for all", || node.hosts().contains("10.0.0.9 all").then_some(()));
        assert!(!node.hosts().contains(" demo"), "{}", node.hosts());
        assert!(
            agent.log().contains("the VPC of this node is not known (instance metadata at "),
            "{}",
            agent.log()
        );
        let metrics_address = agent.metrics_address();
        agent.wait("the metrics", || {
            (metric(&get(metrics_address, "/metrics"), "without_network") == 1).then_some(())
        });
        assert!(node.run(&["--healthcheck=ready"]).status.success(), "the list is good, and carried");
        metadata.tell(Some("vpc-two"));
        agent.wait("the network's entry", || node.hosts().contains("10.2.0.2 demo").then_some(()));
        assert!(!node.hosts().contains("10.1.0.2"), "{}", node.hosts());
        // The next container of the Pod, while metadata is away.
        agent.terminate();
        metadata.tell(None);
        let mut agent = node.spawn(&mut node.command(&arguments));
        agent.wait("its metrics", || {
            fs::read_to_string(node.path("log")).unwrap().contains("metrics at http://").then_some(())
        });
        let address = agent.metrics_address();
        agent
            .wait("its first pass", || (metric(&get(address, "/metrics"), "passes_total") > 0).then_some(()));
        assert!(
            node.hosts().contains("10.2.0.2 demo") && !node.hosts().contains("10.1.0.2"),
            "{}",
            node.hosts()
        );
    }
}

#[test]
fn what_the_arguments_say_is_asked_of_nobody() {
    for (argument, address) in [
        (&["--vpc-id=vpc-one"][..], "10.1.0.2"),
        (&["--node-ip=10.20.3.4", "--vpc-range=vpc-one=10.10.0.0/16,vpc-two=10.20.0.0/16"], "10.2.0.2"),
    ] {
        let node = Node::new(LOCAL);
        node.mount_list(BY_VPC);
        let output = node.run(&[argument, &["--once", "--metadata=none"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(node.hosts().contains(&format!("{address} demo")), "{}", node.hosts());
        let output = node.run(&[argument, &["--dry-run"]].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is left to change");
    }
    let node = Node::new(LOCAL);
    node.mount_list(BY_VPC);
    let overlapping = ["--once", "--node-ip=10.1.2.3", "--vpc-range=vpc-one=10.1.0.0/16,vpc-two=10.0.0.0/8"];
    let output = node.run(&overlapping);
    assert!(stderr(&output).contains("this node is in vpc-one and vpc-two"), "{}", stderr(&output));
    assert!(node.hosts().contains("10.0.0.9 all") && !node.hosts().contains(" demo"), "{}", node.hosts());
}
