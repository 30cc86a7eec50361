//! The agent's state for exec probes, and for the next container of the same Pod: one small file in a
//! directory in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use tcr::checksum::fnv1a;
use tcr::resource_id::is_vpc_id;

use crate::args::Healthcheck;
use crate::message;
use crate::report::Report;

const NAME: &str = "state";
/// The file always has this size, so that one write replaces all of it.
const SIZE: usize = 2 * message::MOST_BYTES;
/// A probe that comes into the middle of a write looks again.
const LOOKS: usize = 100;

/// The state file of the running agent, which may open no other.
#[derive(Debug)]
pub struct StateFile(File);

/// Why a probe fails.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The agent has not written its state yet, or somewhere else.
    #[error("cannot read {}: {source}; is the agent running with this --state-dir?", path.display())]
    Read {
        /// The path of the state file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The agent has only begun.
    #[error("{} is empty; is the agent running with this --state-dir?", .0.display())]
    Empty(PathBuf),
    /// Not a state file.
    #[error("cannot read {}: it is not the agent's state", .0.display())]
    Form(PathBuf),
    /// The agent has not written for too long: it hangs.
    #[error("the agent last looked at the hosts file {age}s ago, and should every {expected}s")]
    Stale {
        /// Seconds since the last pass.
        age: u64,
        /// Seconds that are normal, with a reserve.
        expected: u64,
    },
    /// The node is not as the list says.
    #[error("not ready: {0}")]
    Unready(String),
}

impl StateFile {
    /// Makes `directory` if it is missing, and an empty file in the place of what an earlier agent left
    /// in it, as the container before this one of the same Pod: a probe asks about this agent.
    pub fn begin(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self(File::options().write(true).create_new(true).open(path)?))
    }

    /// Writes what a probe needs of `report`. The agent looks again within `recheck`.
    pub fn write(&self, report: &Report, recheck: Duration) -> io::Result<()> {
        // A pass may wait for a slow disk; twice the interval and half a minute is still a hang.
        let stale_after = recheck.as_secs() * 2 + 30;
        let unready = report.unready().unwrap_or("");
        let vpc_id = report.network.vpc_id().unwrap_or("");
        let text = format!("{}\n{stale_after}\n{unready}\n{vpc_id}\n", seconds_since_boot());
        let mut record = format!("{:016x}\n{text}", fnv1a(text.as_bytes())).into_bytes();
        record.resize(SIZE, b'\n');
        self.0.write_all_at(&record, 0)
    }
}

/// The VPC that an earlier agent of the same Pod has left in `directory`; none where it knew none.
pub fn remembered_vpc(directory: &Path) -> Option<String> {
    let record = read(&directory.join(NAME)).ok()?;
    let vpc_id = whole(&record)?.lines().nth(3)?;
    is_vpc_id(vpc_id).then(|| vpc_id.to_owned())
}

/// The answer to a probe: nothing, or why it fails.
pub fn check(directory: &Path, what: Healthcheck) -> Result<(), HealthcheckError> {
    let path = directory.join(NAME);
    for _ in 0..LOOKS {
        let record = match read(&path) {
            Ok(record) => record,
            Err(source) => return Err(HealthcheckError::Read { path, source }),
        };
        if record.is_empty() {
            return Err(HealthcheckError::Empty(path));
        }
        match whole(&record) {
            Some(text) => {
                return judge(text, what, seconds_since_boot()).unwrap_or(Err(HealthcheckError::Form(path)));
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    Err(HealthcheckError::Form(path))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    File::open(path)?.take(2 * SIZE as u64).read_to_end(&mut record)?;
    Ok(record)
}

/// The text of a record that was written as a whole.
fn whole(record: &[u8]) -> Option<&str> {
    let (checksum, rest) = std::str::from_utf8(record).ok()?.split_once('\n')?;
    // Four lines; what follows fills the file.
    let (last, _) = rest.match_indices('\n').nth(3)?;
    let text = &rest[..=last];
    (format!("{:016x}", fnv1a(text.as_bytes())) == checksum).then_some(text)
}

fn judge(text: &str, what: Healthcheck, now: u64) -> Option<Result<(), HealthcheckError>> {
    let mut lines = text.lines();
    let written: u64 = lines.next()?.parse().ok()?;
    let expected: u64 = lines.next()?.parse().ok()?;
    let unready = lines.next()?;
    let age = now.saturating_sub(written);
    if age > expected {
        return Some(Err(HealthcheckError::Stale { age, expected }));
    }
    if what == Healthcheck::Ready && !unready.is_empty() {
        return Some(Err(HealthcheckError::Unready(unready.to_owned())));
    }
    Some(Ok(()))
}

/// The monotonic clock, which is the same for the agent and its probes.
fn seconds_since_boot() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::network::Network;

    fn answer(report: &Report, what: Healthcheck) -> String {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("new");
        StateFile::begin(&directory).unwrap().write(report, Duration::from_secs(60)).unwrap();
        check(&directory, what).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn a_bad_list_is_live_and_not_ready() {
        let report = Report {
            generation: Some("0".into()),
            list_problem: Some(Message::new("bad\nlist")),
            ..Report::default()
        };
        assert_eq!(answer(&report, Healthcheck::Live), "ok");
        assert_eq!(answer(&report, Healthcheck::Ready), "not ready: bad list");
        let report = Report { generation: Some("0".into()), ..Report::default() };
        assert_eq!(answer(&report, Healthcheck::Ready), "ok");
    }

    #[test]
    fn what_an_earlier_agent_left_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let report = Report { generation: Some("0".into()), ..Report::default() };
        let file = StateFile::begin(directory.path()).unwrap();
        file.write(&report, Duration::from_secs(60)).unwrap();
        for _ in 0..2 {
            StateFile::begin(directory.path()).unwrap();
            let error = check(directory.path(), Healthcheck::Live).unwrap_err();
            assert!(matches!(error, HealthcheckError::Empty(_)), "{error}");
        }
    }

    #[test]
    fn the_next_container_of_the_pod_knows_the_vpc_and_a_changed_record_tells_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(remembered_vpc(directory.path()), None);
        let file = StateFile::begin(directory.path()).unwrap();
        assert_eq!(remembered_vpc(directory.path()), None);
        let problem = Some(Message::new("vpc-b2"));
        let mut report = Report { list_problem: problem, ..Report::default() };
        file.write(&report, Duration::from_secs(60)).unwrap();
        assert_eq!(remembered_vpc(directory.path()), None);
        report.network = Network::Vpc("vpc-a1".to_owned());
        file.write(&report, Duration::from_secs(60)).unwrap();
        assert_eq!(remembered_vpc(directory.path()).as_deref(), Some("vpc-a1"));
        let path = directory.path().join(NAME);
        let record = fs::read_to_string(&path).unwrap();
        fs::write(&path, record.replace("vpc-a1", "vpc-a2")).unwrap();
        assert_eq!(remembered_vpc(directory.path()), None);
    }

    #[test]
    fn an_agent_that_hangs_is_neither() {
        for what in [Healthcheck::Live, Healthcheck::Ready] {
            assert!(matches!(judge("1000\n150\n\n", what, 1150), Some(Ok(()))));
            let error = judge("1000\n150\n\n", what, 1151).unwrap().unwrap_err();
            assert_eq!(
                error.to_string(),
                "the agent last looked at the hosts file 151s ago, and should every 150s"
            );
        }
    }

    #[test]
    fn the_file_has_one_size_and_a_shorter_problem_leaves_nothing_of_a_longer_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::begin(directory.path()).unwrap();
        for problem in ["x".repeat(1 << 20), "short".to_owned(), "\u{1f600}".repeat(1 << 18)] {
            let report = Report { list_problem: Some(Message::new(&problem)), ..Report::default() };
            file.write(&report, Duration::from_secs(60)).unwrap();
            assert_eq!(fs::metadata(directory.path().join(NAME)).unwrap().len(), SIZE as u64);
            let error = check(directory.path(), Healthcheck::Ready).unwrap_err();
            assert_eq!(error.to_string(), format!("not ready: {}", Message::new(&problem)));
        }
    }

    #[test]
    fn a_probe_never_takes_a_half_written_state() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::begin(directory.path()).unwrap();
        let report = Report { generation: Some("0".into()), ..Report::default() };
        file.write(&report, Duration::from_secs(60)).unwrap();
        let mut record = fs::read(directory.path().join(NAME)).unwrap();
        assert!(whole(&record).is_some());
        record[3] ^= 1;
        assert_eq!(whole(&record), None);
        record[3] ^= 1;
        record[18] ^= 1;
        assert_eq!(whole(&record), None);
        assert_eq!(whole(b"0\n1\n"), None);
    }

    #[test]
    fn a_missing_or_foreign_file_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let error = check(directory.path(), Healthcheck::Live).unwrap_err();
        assert!(error.to_string().ends_with("is the agent running with this --state-dir?"), "{error}");
        fs::write(directory.path().join(NAME), "hello").unwrap();
        let error = check(directory.path(), Healthcheck::Live).unwrap_err();
        assert!(matches!(error, HealthcheckError::Form(_)), "{error}");
    }
}
