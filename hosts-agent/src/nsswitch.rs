//! Whether lookups of names on the node come to its hosts file: the line `hosts:` of its `nsswitch.conf`, read as glibc
//! reads it. Source: nsswitch.conf(5). Go's own resolver, with which container runtimes are built, heeds the same line.
//!
//! The answer is of the configuration, not of a lookup: a program in a container cannot resolve as the node does.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::io::Errno;

use crate::config::{Direct, Opener};
use crate::hosts_file::Version;
use crate::location::{Location, parent};
use crate::message::Message;

/// Longer files are not read: no real one is as long.
const MAX_BYTES: u64 = 64 << 10;

/// How the node's configuration uses the hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// No source before it answers instead.
    Asked,
    /// No source reads it.
    NoFiles,
    /// This source answers before it is asked, or ends the lookup.
    After(Message),
}

/// What a source is asked to do after one of its answers; none says so: go on, except after success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Success,
    NotFound,
    Unavailable,
    TryAgain,
}

const STATUSES: [(&str, Status); 4] = [
    ("success", Status::Success),
    ("notfound", Status::NotFound),
    ("unavail", Status::Unavailable),
    ("tryagain", Status::TryAgain),
];

/// The node's `nsswitch.conf`, which is beside its hosts file.
#[derive(Debug)]
pub struct NsswitchFile {
    path: PathBuf,
    opener: Rc<dyn Opener>,
    /// The result for a version of the file.
    known: Option<(Version, Lookup)>,
}

/// Its path beside the hosts file.
pub(crate) fn path(hosts: &Path) -> PathBuf {
    parent(hosts).join("nsswitch.conf")
}

impl NsswitchFile {
    /// The one beside `hosts`.
    pub fn beside(hosts: &Path) -> Self {
        let path = path(hosts);
        Self::kept(&path, Rc::new(Direct::new(&path)))
    }

    /// The file at `path`, which `opener` opens.
    pub(crate) fn kept(path: &Path, opener: Rc<dyn Opener>) -> Self {
        Self { path: path.to_owned(), opener, known: None }
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The present configuration; none where it cannot be read. Opens the file only when it has changed.
    pub fn lookup(&mut self) -> Option<Lookup> {
        let version = match Location::of(&self.path).ok()?.stat() {
            Ok(stat) => Version::of(&stat),
            Err(Errno::NOENT) => return Some(Lookup::Asked),
            Err(_) => return None,
        };
        if let Some((known, lookup)) = &self.known
            && *known == version
        {
            return Some(lookup.clone());
        }
        let mut text = Vec::new();
        let file = File::from(self.opener.open().ok()?);
        file.take(MAX_BYTES + 1).read_to_end(&mut text).ok()?;
        let lookup = (text.len() as u64 <= MAX_BYTES).then(|| lookup(&text))?;
        self.known = Some((version, lookup.clone()));
        Some(lookup)
    }
}

/// The configuration in the text of a `nsswitch.conf`. A file without a line for hosts is like a missing one:
/// glibc since 2.35, musl and Go then ask the hosts file first.
pub fn lookup(text: &[u8]) -> Lookup {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().filter_map(of_hosts).next_back();
    line.map_or(Lookup::Asked, |line| walk(&line))
}

/// The text after `hosts:`.
fn of_hosts(line: &str) -> Option<String> {
    let line = line.split('#').next()?;
    let (database, sources) = line.split_once(':')?;
    (database.trim() == "hosts").then(|| sources.to_owned())
}

fn walk(sources: &str) -> Lookup {
    let mut rest = sources.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '[').unwrap_or(rest.len());
        let (source, behind) = rest.split_at(end);
        let (actions, behind) = actions(behind);
        rest = behind;
        match source {
            "" => {}
            // systemd-resolved reads the hosts file itself, unless its ReadEtcHosts is off.
            "files" | "resolve" => return Lookup::Asked,
            // Public names are in it.
            "dns" if ends(&actions, Status::Success) => return after(source, &actions),
            _ if ends(&actions, Status::NotFound) && !is_of_one_domain(source) => {
                return after(source, &actions);
            }
            _ => {}
        }
    }
    Lookup::NoFiles
}

/// The criteria in brackets after a source, and the rest.
fn actions(behind: &str) -> (Vec<&str>, &str) {
    let mut actions = Vec::new();
    let mut rest = behind.trim_start();
    while let Some(inside) = rest.strip_prefix('[') {
        let (criteria, behind) = inside.split_once(']').unwrap_or((inside, ""));
        actions.extend(criteria.split_whitespace());
        rest = behind.trim_start();
    }
    (actions, rest)
}

/// Whether the lookup ends with this answer of the source.
fn ends(actions: &[&str], status: Status) -> bool {
    let mut ends = status == Status::Success;
    for criterion in actions {
        let Some((on, action)) = criterion.split_once('=') else { continue };
        let (on, is_negated) = on.strip_prefix('!').map_or((on, false), |on| (on, true));
        let on = STATUSES.iter().find(|(name, _)| on.eq_ignore_ascii_case(name)).map(|(_, status)| *status);
        if on.is_some_and(|on| (on == status) != is_negated) {
            ends = action.eq_ignore_ascii_case("return");
        }
    }
    ends
}

/// Whether the source is multicast DNS that answers `.local` only, and no other names.
fn is_of_one_domain(source: &str) -> bool {
    source.starts_with("mdns") && source.ends_with("_minimal")
}

fn after(source: &str, actions: &[&str]) -> Lookup {
    let actions = if actions.is_empty() { String::new() } else { format!(" [{}]", actions.join(" ")) };
    Lookup::After(Message::new(format_args!("{source}{actions}")))
}

impl Lookup {
    /// Why programs do not ask the hosts file; none where they do.
    pub fn problem(&self, path: &str) -> Option<Message> {
        let what = match self {
            Self::Asked => return None,
            Self::NoFiles => "its line hosts: has no source files".to_owned(),
            Self::After(source) => format!("its line hosts: has {source} before files"),
        };
        Some(Message::new(format_args!(
            "{path}: {what}, so that the entries are not used; put files first there, as in \"hosts: files dns\""
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            let said = match lookup(line.as_bytes()) {
                Lookup::Asked => "asked".to_owned(),
                Lookup::NoFiles => "no files".to_owned(),
                Lookup::After(source) => format!("after {source}"),
            };
            assert_eq!(said, *expected, "{line}");
        }
    }

    #[test]
    fn the_lines_of_distributions_ask_the_hosts_file() {
        check(&[
            ("hosts: files dns", "asked"),
            ("hosts:\t\tfiles mdns4_minimal [NOTFOUND=return] dns myhostname", "asked"),
            ("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "asked"),
            ("hosts: mymachines mdns_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] files dns", "asked"),
            ("hosts: files usrfiles dns", "asked"),
            ("hosts: files [!UNAVAIL=return] dns", "asked"),
            ("hosts: db files", "asked"),
            ("passwd: files\nhosts: files\nnetworks: dns", "asked"),
            ("", "asked"),
            ("passwd: files", "asked"),
        ]);
    }

    #[test]
    fn what_answers_or_ends_the_lookup_before_the_hosts_file_is_named() {
        check(&[
            ("hosts: dns files", "after dns"),
            ("hosts: dns [!UNAVAIL=return] files", "after dns [!UNAVAIL=return]"),
            ("hosts: dns [SUCCESS=continue] files", "asked"),
            ("hosts: dns [success=merge notfound=return] files", "after dns [success=merge notfound=return]"),
            ("hosts: nis [NOTFOUND=return] files", "after nis [NOTFOUND=return]"),
            ("hosts: sss [!UNAVAIL=return] files", "after sss [!UNAVAIL=return]"),
            ("hosts: nis[NOTFOUND=return]files", "after nis [NOTFOUND=return]"),
            ("hosts: nis [NOTFOUND=return] [NOTFOUND=continue] files", "asked"),
            ("hosts: mdns4 [NOTFOUND=return] files", "after mdns4 [NOTFOUND=return]"),
            ("hosts: dns # files", "after dns"),
            ("hosts: myhostname", "no files"),
            ("hosts:", "no files"),
            ("hosts: [NOTFOUND=return", "no files"),
            ("hosts: files dns\nhosts: dns", "after dns"),
            ("#hosts: dns\nhosts: files", "asked"),
        ]);
    }

    #[test]
    fn the_file_is_read_again_when_it_has_changed_and_is_not_missed() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = NsswitchFile::beside(&directory.path().join("hosts"));
        assert_eq!(file.lookup(), Some(Lookup::Asked), "there is none");
        for (text, expected) in [
            ("hosts: dns files\n", Some(Lookup::After(Message::new("dns")))),
            ("hosts: dns files\n", Some(Lookup::After(Message::new("dns")))),
            ("hosts: files\n", Some(Lookup::Asked)),
        ] {
            std::fs::write(file.path().with_extension("new"), text).unwrap();
            std::fs::rename(file.path().with_extension("new"), file.path()).unwrap();
            assert_eq!(file.lookup(), expected);
        }
        std::fs::write(file.path(), "#".repeat(70_000)).unwrap();
        assert_eq!(file.lookup(), None, "too long to be one");
        std::fs::remove_file(file.path()).unwrap();
        std::os::unix::fs::symlink("/usr/lib/nsswitch.conf", file.path()).unwrap();
        assert_eq!(file.lookup(), None, "it leads out of what is mounted");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_configuration_and_files_first_is_always_asked(
            before in "\\PC{0,40}",
            behind in "[a-z \\[\\]=!]{0,40}",
            bytes in any::<Vec<u8>>(),
        ) {
            let _ = lookup(&bytes);
            let _ = lookup(format!("hosts: {before}").as_bytes());
            prop_assert_eq!(lookup(format!("hosts: files {behind}").as_bytes()), Lookup::Asked);
        }
    }
}
