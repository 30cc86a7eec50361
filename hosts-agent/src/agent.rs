//! The agent: brings the hosts file in line with the list, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tcr::hosts_entry::{HostsEntry, HostsList};
use tcr::image_pull_secret::WhenLinkDown;

use crate::block::{self, Found, State};
use crate::bounds::Bounds;
use crate::config::{ConfigError, ListFile};
use crate::hosts_file::{HostsFile, HostsFileError, Version};
use crate::link::{self, Links, Standing};
use crate::message::Message;
use crate::names::{Known, Names};
use crate::network::Locator;
use crate::nsswitch::NsswitchFile;
use crate::probe;
use crate::report::Report;
use crate::resolver::{self, Conflict, View};

/// How often a pass reads and computes again when another program writes in between.
const ATTEMPTS: usize = 5;

/// The inputs of a pass, and the state from the previous one.
#[derive(Debug)]
pub struct Agent {
    list: ListFile,
    bounds: Bounds,
    file: HostsFile,
    /// The last list that was good: what the file is to carry while the present one is bad.
    last_good: Option<Rc<HostsList>>,
    /// Since the start there has been a list, and not only the block that the file had.
    has_read_list: bool,
    /// The lines that the file carried when the last pass ended.
    carried: Option<Vec<HostsEntry>>,
    /// The VPC for which they were chosen; none before this process has chosen any.
    carried_vpc: Option<String>,
    /// The version of the file that carries [`Self::carried`].
    known: Option<Version>,
    /// The version of the file that was found to carry [`Self::carried`] for [`Self::last_good`], and that no write
    /// within the same tick of the file system's clock can have changed.
    settled: Option<Version>,
    /// None where every entry is taken without a probe.
    probing: Option<Probing>,
    locator: Locator,
    nsswitch: Option<NsswitchFile>,
    /// Lines of others that come first for a name of the list.
    shadows: Vec<Conflict>,
    report: Report,
}

/// Which of some addresses answer, in their order.
type Answers = dyn Fn(&[IpAddr]) -> Vec<bool>;

/// How private links are probed.
pub struct Probing {
    links: Links,
    answers: Box<Answers>,
}

impl Probing {
    /// By a connection to `port`, every `interval` while the link answers.
    pub fn on_port(port: u16, interval: Duration) -> Self {
        Self {
            links: Links::new(interval),
            answers: Box::new(move |addresses| probe::answers(addresses, port)),
        }
    }
}

impl fmt::Debug for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probing").field("links", &self.links).finish_non_exhaustive()
    }
}

/// What the time and need of the next pass depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Another program was in the way for a moment: try again soon.
    pub retry_soon: bool,
    /// Another program had changed the block.
    pub foreign_change: bool,
    /// When a link has to be probed.
    pub next_probe: Option<Instant>,
    /// The agent cannot go on: a new process has to start.
    pub is_lost: bool,
}

impl Agent {
    /// An agent that has not read anything yet, on a node whose VPC is not known. With `probing`, entries of
    /// private links are taken when their address answers.
    pub fn new(list: ListFile, bounds: Bounds, file: HostsFile, probing: Option<Probing>) -> Self {
        let report = Report::default();
        Self {
            list,
            bounds,
            file,
            last_good: None,
            has_read_list: false,
            carried: None,
            carried_vpc: None,
            known: None,
            settled: None,
            probing,
            locator: Locator::default(),
            nsswitch: None,
            shadows: Vec::new(),
            report,
        }
    }

    /// The agent with `locator`, which finds the node's VPC.
    #[must_use]
    pub fn located_by(mut self, locator: Locator) -> Self {
        self.report.network = locator.network().clone();
        self.locator = locator;
        self
    }

    /// The agent with `nsswitch`, the node's configuration of name lookups.
    #[must_use]
    pub fn asked_as(self, nsswitch: NsswitchFile) -> Self {
        Self { nsswitch: Some(nsswitch), ..self }
    }

    /// The result of the passes so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The report, for results from outside the agent: watches and metrics.
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Reads the list and makes the file carry it. Problems go into the report; the next pass
    /// starts afresh.
    pub fn pass(&mut self) -> Outcome {
        self.report.passes += 1;
        let read = self.list.read(&self.bounds);
        // A list that was there and is gone is another matter.
        self.report.awaits_list = !self.has_read_list && read.as_ref().is_err_and(ConfigError::is_absence);
        self.report.list_problem = match read {
            Ok(list) => {
                if self.last_good.as_deref() != Some(&list) {
                    self.settled = None;
                    self.last_good = Some(Rc::new(list));
                }
                self.has_read_list = true;
                None
            }
            Err(_) if self.report.awaits_list => None,
            Err(error) => Some(Message::new(error)),
        };
        let foreign_changes = self.report.foreign_changes;
        self.locate();
        self.probe();
        let is_settled = self.settled.as_ref().is_some_and(|version| self.file.is_at(version));
        let result = if is_settled { Ok(()) } else { self.carry() };
        let outcome = Outcome {
            foreign_change: self.report.foreign_changes > foreign_changes,
            retry_soon: matches!(&result, Err(error) if error.is_passing()),
            is_lost: matches!(&result, Err(CarryError::File(HostsFileError::Alone(_)))),
            next_probe: [
                self.probing.as_ref().and_then(|probing| probing.links.next()),
                self.next_locating(),
            ]
            .into_iter()
            .flatten()
            .min(),
        };
        if !outcome.retry_soon {
            self.report.is_read_only =
                matches!(&result, Err(CarryError::File(error)) if error.is_read_only());
        }
        self.report.file_problem = result.err().map(Message::new);
        self.prove();
        if self.last_good.as_deref().is_some_and(HostsList::has_links) && !self.is_by_vpc() {
            self.locator.look_rarely(Instant::now());
            self.take_in_network();
        }
        outcome
    }

    /// Looks what becomes of the names of the list on this node.
    fn prove(&mut self) {
        let Some(list) = self.last_good.clone() else { return };
        let own = self.own(&list);
        let lookup = self.nsswitch.as_mut().filter(|_| !own.is_empty()).and_then(|file| file.lookup());
        let path = self.nsswitch.as_ref().map(|file| file.path().to_string_lossy());
        self.report.lookup_problem =
            lookup.as_ref().zip(path).and_then(|(lookup, path)| lookup.problem(&path));
        let links = self.report.links.iter();
        let down: BTreeSet<IpAddr> =
            links.filter(|(_, standing)| *standing != Standing::Up).map(|(address, _)| *address).collect();
        self.report.names = Names::of(&Known {
            own: &own,
            // The entries in a file that could not be read or written are not known.
            carried: self
                .carried
                .as_deref()
                .filter(|_| self.report.file_problem.is_none())
                .unwrap_or_default(),
            lookup: lookup.as_ref(),
            shadows: &self.shadows,
            down: &down,
        });
    }

    /// Whether the list has entries that are for the nodes in one VPC.
    fn is_by_vpc(&self) -> bool {
        self.last_good.as_deref().is_some_and(HostsList::is_by_vpc)
    }

    /// Finds out which VPC the node is in, where the list asks for that.
    fn locate(&mut self) {
        if self.is_by_vpc() {
            self.locator.look(Instant::now());
        }
        self.take_in_network();
        let network = self.locator.network();
        self.report.network_problem = self.last_good.as_deref().and_then(|list| network.problem(list));
    }

    fn take_in_network(&mut self) {
        let network = self.locator.network();
        if self.report.network != *network {
            self.settled = None;
            self.report.network = network.clone();
        }
    }

    fn next_locating(&self) -> Option<Instant> {
        self.locator.next().filter(|_| self.is_by_vpc())
    }

    /// The entries of `list` for this node.
    fn own<'a>(&self, list: &'a HostsList) -> Vec<&'a HostsEntry> {
        list.enabled_for(self.locator.network().vpc_id())
    }

    /// Looks at the links that are due.
    fn probe(&mut self) {
        let vpc_id = self.locator.network().vpc_id();
        let enabled = self.last_good.as_deref().map(|list| list.enabled_for(vpc_id)).unwrap_or_default();
        let Some(Probing { links, answers }) = &mut self.probing else { return };
        let of_links = || enabled.iter().filter(|entry| entry.when_link_down().is_some());
        let mut addresses: BTreeMap<IpAddr, bool> = of_links().map(|entry| (entry.ip(), false)).collect();
        if addresses.keys().any(|address| links.standing(*address) == Standing::Untried) {
            // An entry that an earlier process wrote was probed by that one.
            let present = match self.file.read().map(|snapshot| block::state(&snapshot.bytes)) {
                Ok(State::Intact(lines)) => lines,
                _ => Vec::new(),
            };
            for entry in of_links().filter(|entry| present.contains(&entry.line())) {
                addresses.insert(entry.ip(), true);
            }
        }
        links.follow(&addresses, Instant::now());
        let due = links.due(Instant::now());
        let answers = answers(&due);
        let now = Instant::now();
        for (address, does) in due.iter().zip(answers) {
            self.report.failed_probes += u64::from(!does);
            links.answered(*address, does, now);
        }
        let standings = links.standings();
        if standings != self.report.links {
            self.settled = None;
            self.report.links = standings;
        }
    }

    /// The lines that the file is to carry: those of links that do not answer may be missing.
    fn chosen(&self, list: &HostsList) -> Vec<HostsEntry> {
        let enabled = self.own(list);
        let Some(Probing { links, .. }) = &self.probing else {
            return enabled.iter().map(|entry| entry.line()).collect();
        };
        let mut chosen: Vec<HostsEntry> = Vec::new();
        for entry in enabled {
            let standing = links.standing(entry.ip());
            match entry.when_link_down() {
                Some(when_down) if !link::is_carried(standing, when_down) => {
                    // Until the new address has answered, the old one is the better guess, unless
                    // pulls may as well go elsewhere.
                    let carried = self.carried.iter().flatten();
                    let old = carried.filter(|line| {
                        line.domain() == entry.domain()
                            && self.bounds.reason(line).is_none()
                            && self.was_own(list, entry, line)
                    });
                    if standing == Standing::Untried && when_down == WhenLinkDown::Keep {
                        for line in old.filter(|line| !chosen.contains(line)).cloned().collect::<Vec<_>>() {
                            chosen.push(line);
                        }
                    }
                }
                _ => chosen.push(entry.line()),
            }
        }
        chosen
    }

    /// Whether `line`, which the file carries in the place of `entry`, is certainly not another network's.
    fn was_own(&self, list: &HostsList, entry: &HostsEntry, line: &HostsEntry) -> bool {
        let vpc_id = self.locator.network().vpc_id();
        let carried_vpc = self.carried_vpc.as_deref();
        let is_of_same_network = carried_vpc == vpc_id || (entry.vpc_id().is_none() && carried_vpc.is_none());
        is_of_same_network && !list.is_of_another_vpc(line, vpc_id)
    }

    fn carry(&mut self) -> Result<(), CarryError> {
        for _ in 0..ATTEMPTS {
            let change = match self.known_change() {
                Some(change) => change,
                None => match self.look()? {
                    Some(change) => change,
                    None => return Ok(()),
                },
            };
            match self.write(change) {
                Err(CarryError::File(HostsFileError::Changed(_))) => {}
                result => return result,
            }
        }
        Err(HostsFileError::Changed(self.file.path().to_owned()).into())
    }

    /// The change of a file that is still as the agent left it, which needs no read. Should the file differ
    /// nevertheless, the write is right all the same, because it reads the file again.
    fn known_change(&mut self) -> Option<Change> {
        let version = self.known.take().filter(|version| self.file.is_at(version))?;
        let (list, carried) = (self.last_good.clone()?, self.carried.as_ref()?);
        let wanted = self.chosen(&list);
        (wanted != *carried).then_some(Change { version, list, wanted, is_foreign: false })
    }

    /// Reads the file; returns the change. The file's bytes are not kept: the change reads them again.
    fn look(&mut self) -> Result<Option<Change>, CarryError> {
        let snapshot = self.file.read()?;
        let found = Found::new(&snapshot.bytes);
        let state = found.state();
        if self.last_good.is_none() {
            self.last_good = self.adopted(&state).map(Rc::new);
        }
        let Some(list) = self.last_good.clone() else {
            self.report.entries = if let State::Intact(entries) = state { entries.len() } else { 0 };
            return Ok(None);
        };
        if let (None, State::Intact(lines)) = (&self.carried, &state) {
            self.carried = Some(lines.clone());
        }
        let wanted = self.chosen(&list);
        let lines: Vec<&HostsEntry> = wanted.iter().collect();
        self.settled = None;
        if found.merge(&lines).is_change() {
            let is_carried = match &state {
                State::Absent => wanted.is_empty(),
                State::Intact(entries) => *entries == wanted,
                State::Damaged => false,
            };
            let is_foreign =
                state == State::Damaged || (!is_carried && self.carried.as_ref() == Some(&wanted));
            return Ok(Some(Change { version: snapshot.version(), list, wanted, is_foreign }));
        }
        let View { conflicts, shadows, .. } = resolver::view(&snapshot.bytes, &lines);
        (self.report.conflicts, self.shadows) = (conflicts, shadows);
        self.settled = snapshot.settled_version();
        self.known = Some(snapshot.version());
        self.carries(&list, wanted);
        Ok(None)
    }

    fn write(&mut self, Change { version, list, wanted, is_foreign }: Change) -> Result<(), CarryError> {
        let lines: Vec<&HostsEntry> = wanted.iter().collect();
        match self.file.replace(&version, &lines) {
            Ok(mode) => {
                self.report.writes += 1;
                self.report.mode = Some(mode);
            }
            Err(error) => {
                self.report.write_failures += u64::from(!error.is_passing());
                return Err(error.into());
            }
        }
        self.report.foreign_changes += u64::from(is_foreign);
        let result = self.verify(&lines);
        self.carries(&list, wanted);
        result
    }

    /// The file carries the lines `wanted` of `list`.
    fn carries(&mut self, list: &HostsList, wanted: Vec<HostsEntry>) {
        self.report.generation = Some(list.generation());
        self.report.entries = wanted.len();
        self.report.withheld = self.own(list).iter().filter(|entry| !wanted.contains(&entry.line())).count();
        self.carried = Some(wanted);
        self.carried_vpc = self.locator.network().vpc_id().map(str::to_owned);
    }

    /// Opens the path again, as a program does that resolves a name.
    fn verify(&mut self, entries: &[&HostsEntry]) -> Result<(), CarryError> {
        let snapshot = self.file.read()?;
        let View { missing, conflicts, shadows } = resolver::view(&snapshot.bytes, entries);
        (self.report.conflicts, self.shadows) = (conflicts, shadows);
        match missing.first() {
            None => {
                self.known = Some(snapshot.version());
                Ok(())
            }
            Some(entry) => {
                Err(CarryError::NotSeen { path: self.file.path().to_owned(), entry: (*entry).clone() })
            }
        }
    }

    /// The entries that an earlier run has left, if they are within today's bounds: the last good
    /// list while there is no other.
    fn adopted(&self, state: &State) -> Option<HostsList> {
        let State::Intact(entries) = state else { return None };
        let list = HostsList::new(entries.clone()).ok()?;
        self.bounds.check(&list).is_ok().then_some(list)
    }
}

/// The change of the file.
struct Change {
    /// The file that it was decided for.
    version: Version,
    list: Rc<HostsList>,
    /// The lines that are to be ours.
    wanted: Vec<HostsEntry>,
    /// Another program had changed our lines.
    is_foreign: bool,
}

/// Why the file does not carry the list.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error(transparent)]
    File(#[from] HostsFileError),
    #[error(
        "wrote {}, but a reader does not find {} {} in it: somebody else writes the same file",
        path.display(), entry.ip(), entry.domain()
    )]
    NotSeen { path: PathBuf, entry: HostsEntry },
}

impl CarryError {
    fn is_passing(&self) -> bool {
        match self {
            Self::File(error) => error.is_passing(),
            Self::NotSeen { .. } => true,
        }
    }
}

/// How long the agent waits before it reverts another writer's change: not at all the first time, then a
/// second, then twice as long each time, up to the slow re-check, because two programs that revert each other
/// must not become a busy loop. After ten re-checks without a change it starts again.
#[derive(Debug)]
pub struct Patience {
    recheck: Duration,
    last: Option<(Instant, Duration)>,
}

impl Patience {
    /// Patience up to `recheck`.
    pub fn new(recheck: Duration) -> Self {
        Self { recheck, last: None }
    }

    /// Another writer's change was answered at `now`.
    pub fn answered(&mut self, now: Instant) {
        let wait = match self.last {
            Some((at, wait)) if now.saturating_duration_since(at) < self.recheck * 10 => wait * 2,
            _ => Duration::from_secs(1),
        };
        self.last = Some((now, wait.min(self.recheck)));
    }

    /// When the next change of another writer may be answered.
    pub fn until(&self) -> Option<Instant> {
        self.last.map(|(at, wait)| at + wait)
    }
}

#[cfg(test)]
mod tests;
