//! The tasks of a controller. No other task would take over for one that has ended, so the process then ends
//! with the reason, and a new process begins with all tasks.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};

/// Characters of a panic's message that are repeated.
const LONGEST_MESSAGE: usize = 200;

/// Starts tasks. Clones share the same tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    failed: mpsc::Sender<TaskFailed>,
}

/// The task that failed first.
#[derive(Debug)]
pub struct Failures {
    failed: mpsc::Receiver<TaskFailed>,
}

/// A required task has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {how}: the process ends, so that a new one begins anew")]
pub struct TaskFailed {
    what: String,
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Ended,
    Panicked(String),
}

impl Tasks {
    /// The tasks, and the receiver of the first failure.
    pub fn new() -> (Self, Failures) {
        let (sender, failed) = mpsc::channel(1);
        (Self { failed: sender }, Failures { failed })
    }

    /// Starts a task that may end, but not by a panic.
    pub fn spawn(&self, what: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        self.watch(what.into(), task, |_| None);
    }

    /// Starts a task that must run as long as the process.
    pub fn spawn_endless(
        &self,
        what: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        self.watch(what.into(), task, |what| Some(TaskFailed { what, how: How::Ended }))
    }

    fn watch(
        &self,
        what: String,
        task: impl Future<Output = ()> + Send + 'static,
        at_end: impl FnOnce(String) -> Option<TaskFailed> + Send + 'static,
    ) -> AbortHandle {
        let failed = self.failed.clone();
        let task = tokio::spawn(task);
        let handle = task.abort_handle();
        tokio::spawn(async move {
            let failure = match task.await {
                Ok(()) => at_end(what),
                Err(error) => TaskFailed::of(what, error),
            };
            if let Some(failure) = failure {
                // The first failure is enough, and without a receiver the process already ends.
                let _ = failed.try_send(failure);
            }
        });
        handle
    }
}

impl Failures {
    /// Waits for the first task that fails.
    pub async fn first(&mut self) -> TaskFailed {
        match self.failed.recv().await {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }
}

/// Tasks that each return one answer. Dropping it cancels those that have not.
#[derive(Debug)]
pub struct Answers<T> {
    tasks: JoinSet<Result<T, TaskFailed>>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self { tasks: JoinSet::new() }
    }
}

impl<T: Send + 'static> Answers<T> {
    /// Starts a task that returns one answer.
    pub fn spawn(&mut self, what: &'static str, task: impl Future<Output = T> + Send + 'static) {
        // A panic may leave values half changed; none of them is used again, because the process ends.
        let task = AssertUnwindSafe(task).catch_unwind();
        self.tasks.spawn(async move {
            let panicked = |panic: Box<dyn Any + Send>| How::Panicked(message(&*panic));
            task.await.map_err(|panic| TaskFailed { what: what.to_owned(), how: panicked(panic) })
        });
    }

    /// Waits for the next answer; for ever where no task is left.
    ///
    /// # Errors
    /// A task panicked.
    pub async fn next(&mut self) -> Result<T, TaskFailed> {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(answer)) => return answer,
                // It was cancelled, which happens when the process ends.
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// Waits until every task has ended.
    pub async fn end(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

impl TaskFailed {
    /// None for a task that was cancelled, which happens when the process ends.
    fn of(what: String, error: JoinError) -> Option<Self> {
        let panic = error.try_into_panic().ok()?;
        Some(Self { what, how: How::Panicked(message(&*panic)) })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("ended"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_task_that_panics_is_told_with_its_name_and_message() {
        let (tasks, mut failures) = Tasks::new();
        tasks.spawn("the keeper of demo", async { panic!("index out of bounds") });
        let failure = timeout(SOON, failures.first()).await.unwrap();
        assert_eq!(
            failure.to_string(),
            "the keeper of demo panicked: index out of bounds: the process ends, so that a new one begins anew"
        );
    }

    #[tokio::test]
    async fn a_task_that_should_go_on_is_told_when_it_ends_and_another_is_not() {
        let (tasks, mut failures) = Tasks::new();
        tasks.spawn("a keeper", async {});
        tasks.spawn("another keeper", async {});
        tokio::task::yield_now().await;
        tasks.spawn_endless("the watch of /api/v1/pods", async {});
        let failure = timeout(SOON, failures.first()).await.unwrap();
        assert_eq!(failure, TaskFailed { what: "the watch of /api/v1/pods".to_owned(), how: How::Ended });
    }

    #[tokio::test]
    async fn the_panic_of_a_task_in_a_set_is_an_error_and_not_a_missing_result() {
        let mut answers = Answers::default();
        answers.spawn("a report", async { if set_is_empty() { 1 } else { panic!("{}", "x".repeat(1000)) } });
        let error = timeout(SOON, answers.next()).await.unwrap().unwrap_err();
        let expected = format!("a report panicked: {}: the process", "x".repeat(LONGEST_MESSAGE));
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    fn set_is_empty() -> bool {
        false
    }
}
