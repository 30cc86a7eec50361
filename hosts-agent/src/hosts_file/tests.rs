use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use rustix::fs::{FileType, Mode as Permissions, XattrFlags};
use tempfile::TempDir;

use super::*;

/// A directory that stands for the node's `/etc`, with a hosts file of these bytes.
fn etc(content: &[u8]) -> (TempDir, PathBuf) {
    let node = tempfile::tempdir().unwrap();
    let etc = node.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("hosts"), content).unwrap();
    let hosts = etc.join("hosts");
    (node, hosts)
}

fn replace(hosts: &Path, new: &[u8]) -> Result<Mode, HostsFileError> {
    let direct = Direct::new(hosts);
    direct.hold(&HostsFile::new(hosts).read()?.version())?.put(&|_, file| file.write_all(new))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_replaced_file_is_a_new_one_and_nothing_is_left_beside_it() {
    let (_node, hosts) = etc(b"old\n");
    let inode = fs::metadata(&hosts).unwrap().ino();
    let mut reader = fs::File::open(&hosts).unwrap();
    assert_eq!(replace(&hosts, b"new \xff\x00").unwrap(), Mode::Rename);
    assert_eq!(fs::read(&hosts).unwrap(), b"new \xff\x00");
    assert_ne!(fs::metadata(&hosts).unwrap().ino(), inode);
    assert_eq!(names(hosts.parent().unwrap()), ["hosts"]);
    let mut old = Vec::new();
    reader.read_to_end(&mut old).unwrap();
    assert_eq!(old, b"old\n", "who had it open reads on in the old one");
}

#[test]
fn mode_and_extended_attributes_are_kept() {
    let (_node, hosts) = etc(b"old\n");
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o640)).unwrap();
    rustix::fs::setxattr(&hosts, "user.origin", b"cloud-init", XattrFlags::empty())
        .expect("this test needs a temporary directory with extended attributes: set TMPDIR to one");
    replace(&hosts, b"new\n").unwrap();
    assert_eq!(fs::metadata(&hosts).unwrap().permissions().mode() & 0o7777, 0o640);
    let mut value = [0; 32];
    let length = rustix::fs::getxattr(&hosts, "user.origin", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"cloud-init");
}

#[test]
fn the_owner_is_kept() {
    let (_node, hosts) = etc(b"old\n");
    chown(&hosts, Some(1234), Some(4321)).expect("this test needs root, to give a file to another user");
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o2644)).unwrap();
    replace(&hosts, b"new\n").unwrap();
    let metadata = fs::metadata(&hosts).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1234, 4321, 0o2644));
}

#[test]
fn a_file_of_the_same_size_has_a_later_time() {
    let (_node, hosts) = etc(b"0\n");
    let time = || {
        let metadata = fs::metadata(&hosts).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    let mut last = time();
    for round in 1..=9 {
        replace(&hosts, format!("{round}\n").as_bytes()).unwrap();
        assert!(time() > last, "round {round}: {:?} is not after {last:?}", time());
        last = time();
    }
}

#[test]
fn what_somebody_wrote_in_between_is_not_overwritten() {
    let (_node, hosts) = etc(b"old\n");
    let direct = Direct::new(&hosts);
    let version = HostsFile::new(&hosts).read().unwrap().version();
    let held = direct.hold(&version).unwrap();
    fs::write(&hosts, b"theirs\n").unwrap();
    let error = held.put(&|_, file| file.write_all(b"ours\n")).unwrap_err();
    assert!(matches!(error, HostsFileError::Changed(_)) && error.is_passing(), "{error}");
    drop(held);
    let error = direct.hold(&version).unwrap_err();
    assert!(matches!(error, HostsFileError::Changed(_)) && error.is_passing(), "{error}");
    assert_eq!(fs::read(&hosts).unwrap(), b"theirs\n");
    assert_eq!(names(hosts.parent().unwrap()), ["hosts"]);
}

#[test]
fn a_file_that_was_just_emptied_is_left_to_its_writer() {
    let (_node, hosts) = etc(b"");
    let error = replace(&hosts, b"new\n").unwrap_err();
    assert!(matches!(error, HostsFileError::Emptied(_)) && error.is_passing(), "{error}");
    let mut stat = rustix::fs::stat(&hosts).unwrap();
    stat.st_ctime -= 2;
    assert!(!is_fresh(&stat));
}

#[test]
fn a_killed_processs_temporary_file_is_in_nobodys_way() {
    let (_node, hosts) = etc(b"old\n");
    let left = hosts.with_file_name(TEMPORARY_NAME);
    fs::write(&left, b"half").unwrap();
    replace(&hosts, b"new\n").unwrap();
    assert_eq!(names(hosts.parent().unwrap()), ["hosts"]);
    fs::write(&left, b"half").unwrap();
    HostsFile::new(&hosts).clean().unwrap();
    assert_eq!(names(hosts.parent().unwrap()), ["hosts"]);
}

#[test]
fn a_symlink_within_the_directory_stays_and_its_file_is_replaced() {
    for target in ["real/hosts", "./x/../real/hosts", "/etc/real/hosts", "second", "/etc/second"] {
        let (_node, hosts) = etc(b"old\n");
        let etc = hosts.parent().unwrap();
        fs::create_dir(etc.join("x")).unwrap();
        fs::create_dir(etc.join("real")).unwrap();
        fs::rename(&hosts, etc.join("real/hosts")).unwrap();
        symlink("real/../real/hosts", etc.join("second")).unwrap();
        symlink(target, &hosts).unwrap();
        replace(&hosts, b"new\n").unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(fs::read(etc.join("real/hosts")).unwrap(), b"new\n", "{target}");
        assert_eq!(fs::read_link(&hosts).unwrap(), Path::new(target));
        let places = HostsFile::new(&hosts).places();
        let expected = [(etc.to_owned(), "hosts".into()), (etc.join("real"), "hosts".into())];
        assert_eq!(places, expected, "{target}");
    }
}

#[test]
fn a_symlink_out_of_the_directory_is_refused() {
    for target in [
        "../hosts",
        "/hosts",
        "/run/hosts",
        "real/../../hosts",
        "/etc/../hosts",
        "away/hosts",
        "/etcetera/hosts",
    ] {
        let (node, hosts) = etc(b"old\n");
        let etc = hosts.parent().unwrap();
        fs::rename(&hosts, node.path().join("hosts")).unwrap();
        fs::create_dir(etc.join("real")).unwrap();
        symlink("..", etc.join("away")).unwrap();
        symlink(target, &hosts).unwrap();
        let error = replace(&hosts, b"new\n").unwrap_err();
        assert!(
            matches!(error, HostsFileError::Location(LocationError::Outside { .. })),
            "{target}: {error}"
        );
        assert_eq!(fs::read(node.path().join("hosts")).unwrap(), b"old\n", "{target}");
    }
}

#[test]
fn what_is_no_file_says_so() {
    let (_node, hosts) = etc(b"old\n");
    let beside = |name: &str| hosts.with_file_name(name);
    fs::create_dir(beside("directory")).unwrap();
    symlink("loop", beside("loop")).unwrap();
    symlink("nothing", beside("dangling")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, beside("pipe"), FileType::Fifo, Permissions::RUSR, 0).unwrap();
    for (name, message) in [
        ("directory", "cannot use DIR/directory: it is not a regular file"),
        ("pipe", "cannot use DIR/pipe: it is not a regular file"),
        ("loop", "cannot follow DIR/loop: too many symlinks"),
        ("dangling", "cannot open DIR/dangling: No such file or directory (os error 2)"),
        ("missing", "cannot open DIR/missing: No such file or directory (os error 2)"),
        (
            "nowhere/hosts",
            "cannot open the directory of DIR/nowhere/hosts: No such file or directory (os error 2)",
        ),
    ] {
        let error = HostsFile::new(&beside(name)).read().unwrap_err().to_string();
        let directory = hosts.parent().unwrap().display().to_string();
        assert_eq!(error.replace(&directory, "DIR"), message);
    }
}

#[test]
fn in_place_keeps_the_inode_and_what_stands_before_the_change() {
    for (old, new) in [
        ("a\nb\n", "a\nb\nccc\n"),
        ("a\nb\nccc\n", "a\nb\n"),
        ("a\nb\nccc\n", "a\nb"),
        ("a\n", ""),
        ("", "a\n"),
        ("a\n10.0.0.2 x\nb\n", "a\n10.0.0.33 y\nb\n"),
    ] {
        let (_node, hosts) = etc(old.as_bytes());
        let file = OwnedFd::from(fs::File::options().write(true).open(&hosts).unwrap());
        let stat = rustix::fs::fstat(&file).unwrap();
        let inode = fs::metadata(&hosts).unwrap().ino();
        let result = in_place::replace(&file, &stat, old.as_bytes(), new.as_bytes());
        assert!(result.is_ok(), "{old:?} -> {new:?}");
        assert_eq!(fs::read_to_string(&hosts).unwrap(), new);
        assert_eq!(fs::metadata(&hosts).unwrap().ino(), inode);
    }
}

#[test]
fn a_file_that_does_not_fit_into_memory_is_left_alone() {
    let (_node, hosts) = etc(&vec![b'\n'; 9 << 20]);
    let error = HostsFile::new(&hosts).read().unwrap_err();
    assert!(error.to_string().ends_with("it has more than 8388608 bytes"), "{error}");
}
