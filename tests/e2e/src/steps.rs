//! Steps of a story, as a person sees them.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    passed: usize,
    failed: usize,
    is_silent: bool,
}

impl Steps {
    /// Says nothing where nobody watches, because the output is something else.
    pub(crate) fn of_measurement() -> Self {
        Self { is_silent: !stdout().is_terminal(), ..Self::default() }
    }

    /// Does one step, and prints how it ended and how long it took.
    pub(crate) async fn step<T>(&mut self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let start = Instant::now();
        self.begin(what);
        let done = work.await;
        self.say(done.is_ok(), start, what);
        if done.is_ok() {
            self.passed += 1;
        }
        done
    }

    /// Does one step that tells what it found, behind its own line. The story goes on when it fails.
    pub(crate) async fn trial(&mut self, what: &str, work: impl Future<Output = Result<String>>) -> bool {
        let start = Instant::now();
        self.begin(what);
        let done = work.await;
        let found = done.as_ref().map_or_else(|error| format!("{error:#}"), String::clone);
        self.say(done.is_ok(), start, &format!("{what}: {found}"));
        match done.is_ok() {
            true => self.passed += 1,
            false => self.failed += 1,
        }
        done.is_ok()
    }

    fn begin(&self, what: &str) {
        if stdout().is_terminal() {
            // Overwritten by the result.
            let _ = write!(stdout(), "        ...  {what}\r").and_then(|()| stdout().flush());
        }
    }

    fn say(&self, is_ok: bool, start: Instant, what: &str) {
        let word = if is_ok { "ok    " } else { "FAILED" };
        if !self.is_silent {
            // Nobody is there to read that stdout is closed.
            let _ = writeln!(stdout(), "{word} {:6.1} s  {what}", start.elapsed().as_secs_f64());
        }
    }

    /// The last line, and the exit code.
    pub(crate) fn end(self, told: Result<()>) -> ExitCode {
        let failed = self.failed + usize::from(told.is_err());
        if let Err(error) = &told {
            let _ = writeln!(stdout(), "\nerror: {error:#}");
        }
        let _ = writeln!(stdout(), "\n{} passed, {failed} failed", self.passed);
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
