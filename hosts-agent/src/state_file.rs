//! What the running agent leaves for exec probes: one small file in a directory in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::args::Healthcheck;
use crate::report::Report;

const NAME: &str = "state";

/// Why a probe fails.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The agent has not written its state yet, or somewhere else.
    #[error("cannot read {}: {source}; is the agent running with this --state-dir?", path.display())]
    Read {
        /// The state file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a state file.
    #[error("cannot read {}: it is not the agent's state", .0.display())]
    Form(PathBuf),
    /// The agent hangs.
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

/// Makes `directory` if it is missing, and removes what an earlier agent left in it, as the
/// container before this one of the same Pod: a probe asks about this agent.
pub fn begin(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    match fs::remove_file(directory.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes what a probe needs of `report` into `directory`. The agent looks again within `recheck`.
pub fn write(directory: &Path, report: &Report, recheck: Duration) -> io::Result<()> {
    // A pass may wait for a slow disk; twice the interval and half a minute is still a hang.
    let stale_after = recheck.as_secs() * 2 + 30;
    // Messages have no newlines of their own that matter to a reader of lines.
    let unready = report.unready().unwrap_or("").replace('\n', " ");
    let text = format!("{}\n{stale_after}\n{unready}\n", seconds_since_boot());
    let temporary = directory.join("state.new");
    fs::write(&temporary, text)?;
    fs::rename(temporary, directory.join(NAME))
}

/// The answer to a probe: nothing, or why it fails.
pub fn check(directory: &Path, what: Healthcheck) -> Result<(), HealthcheckError> {
    let path = directory.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(HealthcheckError::Read { path, source }),
    };
    judge(&text, what, seconds_since_boot()).unwrap_or(Err(HealthcheckError::Form(path)))
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

/// A clock that nobody sets, the same for the agent and its probes.
fn seconds_since_boot() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(report: &Report, what: Healthcheck) -> String {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("new");
        begin(&directory).unwrap();
        write(&directory, report, Duration::from_secs(60)).unwrap();
        check(&directory, what).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn a_bad_list_is_live_and_not_ready() {
        let report = Report {
            generation: Some("0".into()),
            list_problem: Some("bad\nlist".into()),
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
        write(directory.path(), &report, Duration::from_secs(60)).unwrap();
        for _ in 0..2 {
            begin(directory.path()).unwrap();
            let error = check(directory.path(), Healthcheck::Live).unwrap_err();
            assert!(matches!(error, HealthcheckError::Read { .. }), "{error}");
        }
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
    fn a_missing_or_foreign_file_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let error = check(directory.path(), Healthcheck::Live).unwrap_err();
        assert!(error.to_string().ends_with("is the agent running with this --state-dir?"), "{error}");
        fs::write(directory.path().join(NAME), "hello").unwrap();
        let error = check(directory.path(), Healthcheck::Live).unwrap_err();
        assert!(matches!(error, HealthcheckError::Form(_)), "{error}");
    }
}
