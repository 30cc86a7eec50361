//! Steps of a story, as a person sees them.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    passed: usize,
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
        if stdout().is_terminal() {
            // Overwritten by the result.
            let _ = write!(stdout(), "        ...  {what}\r").and_then(|()| stdout().flush());
        }
        let done = work.await;
        let word = if done.is_ok() { "ok    " } else { "FAILED" };
        if !self.is_silent {
            let _ = writeln!(stdout(), "{word} {:6.1} s  {what}", start.elapsed().as_secs_f64());
        }
        if done.is_ok() {
            self.passed += 1;
        }
        done
    }

    /// The last line, and the exit code.
    pub(crate) fn end(self, told: Result<()>) -> ExitCode {
        let failed = usize::from(told.is_err());
        if let Err(error) = &told {
            let _ = writeln!(stdout(), "\nerror: {error:#}");
        }
        let _ = writeln!(stdout(), "\n{} passed, {failed} failed", self.passed);
        if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
