use std::fs;
use std::thread;

use super::*;
use crate::hosts_file::Mode;

/// A hosts file in the hands of a thread that does what the keeper's process does.
fn kept(path: &Path) -> HostsFile {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let served = path.to_owned();
    thread::spawn(move || serve(theirs, &served).unwrap());
    // Something that has an end, in the place of the process.
    let child = Command::new("true").spawn().unwrap();
    let directory =
        Kept { path: path.to_owned(), socket: Rc::new(ours), handed: RefCell::default(), _child: child };
    HostsFile { path: path.to_owned(), directory: Rc::new(directory) }
}

#[test]
fn it_reads_and_replaces_as_one_process_would() {
    let node = tempfile::tempdir().unwrap();
    let hosts = node.path().join("hosts");
    fs::write(&hosts, "old\n").unwrap();
    let file = kept(&hosts);
    for round in 0..3 {
        let snapshot = file.read().unwrap();
        assert_eq!(snapshot.bytes, fs::read(&hosts).unwrap());
        assert_eq!(
            file.replace(&snapshot, &[b"new ", format!("{round}\n").as_bytes()]).unwrap(),
            Mode::Rename
        );
    }
    assert_eq!(fs::read_to_string(&hosts).unwrap(), "new 2\n");
    assert_eq!(fs::read_dir(node.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_file_that_was_handed_over_is_read_again_until_another_takes_its_place() {
    let node = tempfile::tempdir().unwrap();
    let [hosts, other, dangling] = ["hosts", "other", "dangling"].map(|name| node.path().join(name));
    fs::write(&hosts, "old\n").unwrap();
    let file = kept(&hosts);
    let read = || file.read().map(|snapshot| String::from_utf8(snapshot.bytes).unwrap());
    assert_eq!(read().unwrap(), "old\n");
    assert_eq!(read().unwrap(), "old\n", "from its beginning");
    fs::write(&hosts, "theirs\n").unwrap();
    assert_eq!(read().unwrap(), "theirs\n");
    fs::write(&other, "renamed\n").unwrap();
    fs::rename(&other, &hosts).unwrap();
    assert_eq!(read().unwrap(), "renamed\n");
    fs::rename(&hosts, &other).unwrap();
    std::os::unix::fs::symlink("other", &hosts).unwrap();
    assert_eq!(read().unwrap(), "renamed\n", "by way of a link");
    std::os::unix::fs::symlink("nothing", &dangling).unwrap();
    fs::rename(&dangling, &hosts).unwrap();
    assert!(read().is_err());
}

#[test]
fn what_is_wrong_comes_over_with_its_words_and_its_kind() {
    let node = tempfile::tempdir().unwrap();
    let hosts = node.path().join("hosts");
    let file = kept(&hosts);
    let error = file.read().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open {}: No such file or directory (os error 2)", hosts.display())
    );
    assert!(!error.is_passing());
    fs::write(&hosts, "old\n").unwrap();
    let snapshot = file.read().unwrap();
    fs::write(&hosts, "theirs\n").unwrap();
    let error = file.replace(&snapshot, &[b"ours\n"]).unwrap_err();
    assert!(matches!(error, HostsFileError::Changed(_)) && error.is_passing(), "{error}");
    let lock = fs::File::open(node.path()).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = file.replace(&file.read().unwrap(), &[b"ours\n"]).unwrap_err();
    assert!(matches!(error, HostsFileError::Locked(_)) && error.is_passing(), "{error}");
}

#[test]
fn without_a_keeper_every_step_says_so() {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    drop(theirs);
    let child = Command::new("true").spawn().unwrap();
    let path = PathBuf::from("/host/etc/hosts");
    let kept = Kept { path, socket: Rc::new(ours), handed: RefCell::default(), _child: child };
    let error = kept.read().unwrap_err();
    assert!(matches!(error, HostsFileError::Alone(_)), "{error}");
    kept.end();
}

#[test]
fn an_order_that_there_is_not_is_refused() {
    let directory = Direct::new(Path::new("/nowhere/hosts"));
    assert!(carry_out(&directory, 99, &Version::from_bytes(&[])).is_err());
}
