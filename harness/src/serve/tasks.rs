//! The tasks that the server consists of: without one of them it is not whole, and ends, so that its supervisor
//! starts it again.

use std::collections::HashMap;

use anyhow::anyhow;
use tokio::task::{Id, JoinSet};

#[derive(Default)]
pub(super) struct Tasks {
    all: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one that has no end of its own.
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.all.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until one is gone, and says which and why.
    pub(super) async fn gone(&mut self) -> anyhow::Error {
        let name = |id| self.names.get(&id).copied().unwrap_or("a task");
        match self.all.join_next_with_id().await {
            Some(Ok((id, ()))) => anyhow!("{} ended", name(id)),
            Some(Err(error)) => anyhow!("{} failed: {error}", name(error.id())),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_named_and_others_are_not_waited_for() {
        let gone = async |task: fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let mut tasks = Tasks::default();
            tasks.start("the one that goes on", std::future::pending());
            tasks.start("the other one", task());
            tasks.gone().await.to_string()
        };
        assert_eq!(gone(|| Box::pin(async {})).await, "the other one ended");
        let told = gone(|| Box::pin(async { panic!("on purpose") })).await;
        assert!(told.starts_with("the other one failed: ") && told.contains("on purpose"), "{told}");
    }
}
