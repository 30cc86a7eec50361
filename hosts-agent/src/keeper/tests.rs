use std::fs;
use std::path::PathBuf;
use std::thread;

use expect_test::expect;
use rustix::fs::OFlags;
use tcr::hosts_entry::HostsEntry;
use tempfile::TempDir;

use super::*;
use crate::block::{self, State};
use crate::config::ConfigError;
use crate::hosts_file::Version;

fn bounds() -> Bounds {
    Bounds {
        roots: vec!["tencentcloudcr.com".to_owned()],
        names: Vec::new(),
        ranges: vec!["10.0.0.0/8".parse().unwrap()],
        own_names: vec!["node-7.tencentcloudcr.com".to_owned()],
    }
}

/// The directories of a node, with a hosts file of these bytes.
struct Node {
    root: TempDir,
}

impl Node {
    fn new(hosts: &str) -> Self {
        let node = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(node.root.path().join("etc")).unwrap();
        fs::create_dir(node.root.path().join("config")).unwrap();
        fs::write(node.hosts(), hosts).unwrap();
        node
    }

    fn etc(&self) -> PathBuf {
        self.root.path().join("etc")
    }

    fn hosts(&self) -> PathBuf {
        self.etc().join("hosts")
    }

    fn list(&self) -> PathBuf {
        self.root.path().join("config/hosts.yaml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.hosts()).unwrap()
    }

    /// A socket at whose other end a thread does what the keeper's process does.
    fn socket(&self) -> OwnedFd {
        let (ours, theirs) = pair();
        let (list, hosts) = (self.list(), self.hosts());
        thread::spawn(move || serve(theirs, &list, &hosts, &bounds()).unwrap());
        ours
    }

    fn files(&self) -> Files {
        files(self.socket(), &self.list(), &self.hosts())
    }
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn entry(domain: &str, ip: &str) -> HostsEntry {
    HostsEntry::new(domain, ip, false).unwrap()
}

fn ask(socket: &OwnedFd, order: &[u8]) -> Answer {
    rustix::net::send(socket, order, rustix::net::SendFlags::NOSIGNAL).unwrap();
    wire::receive(socket).unwrap().unwrap()
}

#[test]
fn it_reads_and_replaces_as_one_process_would() {
    let node = Node::new("127.0.0.1 localhost\n");
    let Files { hosts: file, .. } = node.files();
    for round in 1..4 {
        let snapshot = file.read().unwrap();
        assert_eq!(snapshot.bytes, fs::read(node.hosts()).unwrap());
        let entry = entry("demo.tencentcloudcr.com", &format!("10.0.0.{round}"));
        assert_eq!(file.replace(&snapshot.version(), &[&entry]).unwrap(), Mode::Rename);
        assert_eq!(block::state(&fs::read(node.hosts()).unwrap()), State::Intact(vec![entry]));
    }
    assert!(node.text().starts_with("127.0.0.1 localhost\n# BEGIN"));
    assert_eq!(fs::read_dir(node.etc()).unwrap().count(), 1, "nothing is left beside it");
    let version = file.read().unwrap().version();
    file.replace(&version, &[]).unwrap();
    assert_eq!(node.text(), "127.0.0.1 localhost\n");
}

#[test]
fn whatever_it_hands_over_is_open_for_reading_only() {
    let node = Node::new("old\n");
    fs::write(node.list(), "[]\n").unwrap();
    let socket = node.socket();
    for order in 0..=u8::MAX {
        if let Some(file) = ask(&socket, &[order]).file {
            let flags = rustix::fs::fcntl_getfl(&file).unwrap();
            assert_eq!(flags & OFlags::ACCMODE, OFlags::RDONLY, "order {order}");
        }
    }
    let version = Version::of(&rustix::fs::stat(node.hosts()).unwrap());
    let order = Order::Replace { version, entries: vec![entry("demo.tencentcloudcr.com", "10.0.0.2")] };
    let answer = ask(&socket, &order.to_bytes());
    assert_eq!((answer.code, answer.file.is_none()), (Code::Renamed, true));
}

#[test]
fn an_order_that_the_arguments_do_not_allow_is_refused_and_nothing_is_written() {
    let node = Node::new("127.0.0.1 localhost\n");
    let socket = node.socket();
    let version = Version::of(&rustix::fs::stat(node.hosts()).unwrap());
    let order = |text: &str| [&[3], version.as_bytes(), text.as_bytes()].concat();
    let many = "10.0.0.2 demo.tencentcloudcr.com\n".repeat(257);
    let orders = [
        order("10.0.0.2 evil.org\n"),
        order("8.8.8.8 demo.tencentcloudcr.com\n"),
        order("10.0.0.2 node-7.tencentcloudcr.com\n"),
        order("10.0.0.2 localhost\n"),
        order("10.0.0.2 demo.tencentcloudcr.com\n127.0.0.1 demo.tencentcloudcr.com\n"),
        order("10.0.0.2 demo.tencentcloudcr.com evil.org\n"),
        order("10.0.0.2 demo.tencentcloudcr.com\r9.9.9.9 evil.org\n"),
        order("10.0.0.2 demo.tencentcloudcr.com # tcr-assistant hosts-updater\n"),
        order("root::0:0:\n"),
        order(&many),
        [&[3], &version.as_bytes()[..55]].concat(),
        [order(""), b"\xff".to_vec()].concat(),
        vec![3],
        vec![2, 0],
        vec![0],
        vec![99; 4096],
        vec![3; (96 << 10) + 1],
    ];
    let answers: String = orders
        .iter()
        .map(|order| {
            let answer = ask(&socket, order);
            assert_eq!(answer.code, Code::Told);
            format!("{}\n", answer.message)
        })
        .collect();
    expect![[r#"
        refused an order: entry 1: domain: "evil.org" is not under tencentcloudcr.com: allow it with --allowed-name or --allowed-root
        refused an order: entry 1: ip: "8.8.8.8" of "demo.tencentcloudcr.com" is not in 10.0.0.0/8: allow it with --allowed-range
        refused an order: entry 1: domain: "node-7.tencentcloudcr.com" is the node's own name
        refused an order: domain: "localhost" is the machine's own: it must keep its loopback address
        refused an order: ip: "127.0.0.1" is a loopback address
        refused an order: domain: "demo.tencentcloudcr.com evil.org" has the character ' ': use letters, digits, hyphens and dots
        refused an order: domain: "demo.tencentcloudcr.com\r9.9.9.9 evil.org" has the character '\r': use letters, digits, hyphens and dots
        refused an order: domain: "demo.tencentcloudcr.com # tcr-assistant hosts-updater" has the character ' ': use letters, digits, hyphens and dots
        refused an order: a line has no address and name
        refused an order: the list has more than 256 entries
        refused an order: it is cut
        refused an order: its text is not UTF-8
        refused an order: it is cut
        refused an order: there is none of this kind
        refused an order: there is none of this kind
        refused an order: there is none of this kind
        refused an order: it is too long
    "#]]
    .assert_eq(&answers);
    assert_eq!(node.text(), "127.0.0.1 localhost\n");
    assert_eq!(fs::read_dir(node.etc()).unwrap().count(), 1);
}

#[test]
fn a_file_that_was_handed_over_is_read_again_until_another_takes_its_place() {
    let node = Node::new("old\n");
    let [other, dangling] = ["other", "dangling"].map(|name| node.etc().join(name));
    let Files { hosts: file, .. } = node.files();
    let read = || file.read().map(|snapshot| String::from_utf8(snapshot.bytes).unwrap());
    assert_eq!(read().unwrap(), "old\n");
    assert_eq!(read().unwrap(), "old\n", "from its beginning");
    fs::write(node.hosts(), "theirs\n").unwrap();
    assert_eq!(read().unwrap(), "theirs\n");
    fs::write(&other, "renamed\n").unwrap();
    fs::rename(&other, node.hosts()).unwrap();
    assert_eq!(read().unwrap(), "renamed\n");
    fs::rename(node.hosts(), &other).unwrap();
    std::os::unix::fs::symlink("other", node.hosts()).unwrap();
    assert_eq!(read().unwrap(), "renamed\n", "by way of a link");
    std::os::unix::fs::symlink("nothing", &dangling).unwrap();
    fs::rename(&dangling, node.hosts()).unwrap();
    assert!(read().is_err());
}

#[test]
fn the_list_is_read_as_the_kubelet_swaps_it_and_never_from_elsewhere() {
    let node = Node::new("old\n");
    let config = node.root.path().join("config");
    let Files { list, .. } = node.files();
    let read = || list.read(&bounds()).map(|list| list.entries().len());
    assert!(matches!(read(), Err(ConfigError::Absent(_))));
    for version in ["one", "two"] {
        fs::create_dir(config.join(version)).unwrap();
        let entry = format!("- {{domain: {version}.tencentcloudcr.com, ip: 10.0.0.2}}\n");
        fs::write(config.join(version).join("hosts.yaml"), entry).unwrap();
        std::os::unix::fs::symlink(version, config.join("..data_tmp")).unwrap();
        fs::rename(config.join("..data_tmp"), config.join("..data")).unwrap();
        let _ = std::os::unix::fs::symlink("..data/hosts.yaml", node.list());
        assert_eq!(
            list.read(&bounds()).unwrap().entries()[0].domain(),
            format!("{version}.tencentcloudcr.com")
        );
    }
    for target in ["../etc/hosts", "/etc/shadow"] {
        fs::remove_file(node.list()).unwrap();
        std::os::unix::fs::symlink(target, node.list()).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("it leads out of "), "{error}");
    }
}

#[test]
fn what_is_wrong_comes_over_with_its_words_and_its_kind() {
    let node = Node::new("old\n");
    fs::remove_file(node.hosts()).unwrap();
    let Files { hosts: file, .. } = node.files();
    let error = file.read().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open {}: No such file or directory (os error 2)", node.hosts().display())
    );
    assert!(!error.is_passing());
    fs::write(node.hosts(), "old\n").unwrap();
    let version = file.read().unwrap().version();
    fs::write(node.hosts(), "theirs\n").unwrap();
    let error = file.replace(&version, &[]).unwrap_err();
    assert!(matches!(error, HostsFileError::Changed(_)) && error.is_passing(), "{error}");
    let lock = fs::File::open(node.etc()).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = file.replace(&file.read().unwrap().version(), &[]).unwrap_err();
    assert!(matches!(error, HostsFileError::Locked(_)) && error.is_passing(), "{error}");
}

#[test]
fn without_a_keeper_every_step_says_so() {
    let (ours, theirs) = pair();
    drop(theirs);
    let Files { hosts, list, .. } =
        files(ours, Path::new("/config/hosts.yaml"), Path::new("/host/etc/hosts"));
    let error = hosts.read().unwrap_err();
    assert!(matches!(error, HostsFileError::Alone(_)), "{error}");
    assert!(matches!(list.read(&bounds()), Err(ConfigError::Kept(HostsFileError::Alone(_)))));
}
