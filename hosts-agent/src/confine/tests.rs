//! Both mechanisms confine a thread: a thread of the test's own stands for the process.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{CWD, Mode as Permissions, OFlags, ResolveFlags};
use tcr::hosts_entry::HostsEntry;
use tempfile::TempDir;

use super::*;
use crate::hosts_file::HostsFile;
use crate::location;

fn confined<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[track_caller]
fn check_denied<T: std::fmt::Debug>(result: io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

fn node() -> (TempDir, PathBuf, PathBuf) {
    let node = tempfile::tempdir().unwrap();
    let [etc, config] = ["etc", "config"].map(|name| node.path().join(name));
    for directory in [&etc, &config] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("hosts"), "old\n").unwrap();
        fs::write(directory.join("shadow"), "secret").unwrap();
    }
    (node, etc, config)
}

/// What holds on a kernel with Landlock, and on one without it.
const MODES: [(Wanted, Confinement); 3] = [
    (Wanted::Auto, Confinement::Landlock),
    (Wanted::Landlock, Confinement::Landlock),
    (Wanted::Seccomp, Confinement::Seccomp),
];

#[test]
fn the_agent_opens_makes_and_removes_nothing_with_landlock_and_without_it() {
    assert!(landlock::is_available(), "this test needs a kernel with Landlock");
    fs::read("/etc/shadow").expect("this test needs root and /etc/shadow");
    for (wanted, holds) in MODES {
        let (_node, etc, config) = node();
        let path = |name: &str| etc.join(name);
        // What a careless agent could still have open.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = rustix::fs::open(&etc, flags, Permissions::empty()).unwrap();
        let hosts = File::open(path("hosts")).unwrap();
        let mut state = File::create(config.join("state")).unwrap();
        confined(|| {
            assert_eq!(agent(wanted, Some(0), &[1]).unwrap(), holds);
            for file in ["/etc/shadow", "/etc/passwd", "/proc/self/mem", "/proc/self/fd/0", "/dev/null"] {
                check_denied(File::open(file));
            }
            check_denied(fs::read(path("shadow")));
            check_denied(fs::read_dir(&etc));
            check_denied(fs::read(config.join("hosts")));
            check_denied(File::options().write(true).open(path("hosts")));
            check_denied(fs::write(path("hosts"), "x"));
            check_denied(fs::write(path("new"), "x"));
            check_denied(fs::create_dir(path("new")));
            check_denied(fs::remove_file(path("shadow")));
            check_denied(fs::rename(path("shadow"), path("hosts")));
            check_denied(fs::hard_link(path("shadow"), path("new")));
            check_denied(symlink(path("shadow"), path("new")));
            let inside = |flags| rustix::fs::openat(&directory, "shadow", flags, Permissions::empty());
            check_denied(inside(OFlags::RDONLY).map_err(io::Error::from));
            check_denied(inside(OFlags::WRONLY).map_err(io::Error::from));
            let resolve = ResolveFlags::empty();
            let newer =
                rustix::fs::openat2(CWD, path("shadow"), OFlags::RDONLY, Permissions::empty(), resolve);
            check_denied(newer.map_err(io::Error::from));
            check_denied(Command::new("/bin/true").status());
            check_denied(hosts.set_permissions(fs::Permissions::from_mode(0o666)));
            check_denied(UnixStream::pair());
            check_denied(UnixStream::connect("/run/containerd/containerd.sock"));
            // What it is for goes on.
            assert!(fs::metadata(path("hosts")).unwrap().is_file());
            state.write_all(b"state").unwrap();
            TcpListener::bind("127.0.0.1:0").unwrap();
            std::thread::Builder::new()
                .spawn(|| check_denied(File::open("/etc/shadow")))
                .unwrap()
                .join()
                .unwrap();
        });
        assert_eq!(fs::read_to_string(path("hosts")).unwrap(), "old\n");
        assert_eq!(fs::read_dir(&etc).unwrap().count(), 2, "{wanted:?}");
    }
}

#[test]
fn with_landlock_the_agent_connects_to_the_ports_of_links_and_metadata_only() {
    let [open, other] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    confined(|| {
        let port = open.local_addr().unwrap().port();
        agent(Wanted::Landlock, None, &[port]).unwrap();
        TcpStream::connect(open.local_addr().unwrap()).unwrap();
        check_denied(TcpStream::connect(other.local_addr().unwrap()));
        check_denied(TcpListener::bind("127.0.0.1:0"));
    });
}

#[test]
fn the_keeper_replaces_the_hosts_file_and_has_no_network_and_no_program() {
    for (wanted, holds) in MODES {
        let (_node, etc, config) = node();
        confined(|| {
            assert_eq!(keeper(wanted, &etc, &config).unwrap(), holds);
            check_denied(TcpListener::bind("127.0.0.1:0"));
            check_denied(UnixStream::pair());
            check_denied(Command::new("/bin/true").status());
            if holds == Confinement::Landlock {
                check_denied(fs::read("/etc/shadow"));
                check_denied(fs::write(config.join("hosts"), "[]"));
            }
            let _: OwnedFd = location::open(&config.join("hosts")).unwrap();
            let file = HostsFile::new(&etc.join("hosts"));
            let entry = HostsEntry::new("demo.tencentcloudcr.com", "10.0.0.2", false).unwrap();
            file.replace(&file.read().unwrap().version(), &[&entry]).unwrap();
            assert!(fs::read_to_string(etc.join("hosts")).unwrap().contains("10.0.0.2 demo"));
        });
    }
}

#[test]
fn a_confinement_that_the_kernel_does_not_have_is_refused_and_told() {
    let absent = || -> Result<(), FilterError> {
        Err(FilterError::from(seccompiler::Error::Seccomp(io::Error::from(ErrorKind::InvalidInput))))
    };
    assert_eq!(confine(Wanted::Auto, false, || Ok(()), || Ok(())).unwrap(), Confinement::Seccomp);
    let error = confine(Wanted::Landlock, false, || Ok(()), || Ok(())).unwrap_err().to_string();
    assert!(error.starts_with("this kernel has no Landlock"), "{error}");
    assert_eq!(confine(Wanted::Auto, true, || Ok(()), absent).unwrap(), Confinement::None);
    for wanted in [Wanted::Landlock, Wanted::Seccomp] {
        let error = confine(wanted, true, || Ok(()), absent).unwrap_err().to_string();
        assert!(
            error.contains("seccomp") && error.ends_with("--confinement=auto runs without it"),
            "{error}"
        );
    }
}
