//! What the API server answered to reads and writes.

use std::sync::Arc;

use super::{Observation, State};
use distribution::job::Written;
use distribution::{Account, Placed, SeenSecret};

impl State {
    /// What was looked at; for each the ImagePullSecret for which that shows that somebody undid what was done.
    pub(crate) fn looked(
        &mut self,
        namespace: &Arc<str>,
        looked: Vec<Written>,
    ) -> Vec<(String, Observation)> {
        let mut observations = Vec::new();
        for one in looked {
            match one {
                Written::Secret { name, seen: Some(seen) } if seen.is_ours() => {
                    let observation = self.take_secret(namespace, &name, seen);
                    observations.push((name, observation));
                }
                other => self.written(namespace, vec![other]),
            }
        }
        observations
    }

    /// What was written, from the API server's answers, so that the watch's echo changes nothing.
    pub(crate) fn written(&mut self, namespace: &Arc<str>, written: Vec<Written>) {
        for one in written {
            match one {
                Written::Secret { name, seen: Some(seen) } => drop(self.take_secret(namespace, &name, seen)),
                Written::Secret { name, seen: None } => {
                    drop(self.change(namespace, |namespace| namespace.secrets.remove(&name).is_some()));
                }
                Written::Account(account) => self.take_account(account),
                // Its watch says so too, and in the right order with what comes after it.
                Written::AccountGone { .. } => {}
            }
        }
    }

    /// The API server answered with this Secret. That does not say that a list under way has it.
    fn take_secret(&mut self, namespace: &Arc<str>, name: &str, seen: SeenSecret) -> Observation {
        self.lost.remove(&(namespace.clone(), Arc::from(name)));
        let name = self.share(name);
        self.observed.add(namespace);
        self.change(namespace, |namespace| match namespace.secrets.get_mut(&name) {
            // What is not watched has no version: it is what there is.
            Some(known) if seen.is_ours() && known.version() > seen.version() => false,
            Some(known) => std::mem::replace(known, seen.clone()) != seen,
            None => namespace.secrets.insert(name, seen).is_none(),
        })
    }

    /// The API server answered with this ServiceAccount. That does not say that a list under way has it.
    fn take_account(&mut self, account: Placed<Account>) {
        let Placed { namespace, name, mut seen } = account;
        let name = self.share(&name);
        seen.references = self.shared.list(seen.references);
        self.observed.add(&namespace);
        let _ = self.change(&namespace, |namespace| match namespace.accounts.get_mut(&name) {
            Some(known) if known.version() > seen.version() => false,
            Some(known) => std::mem::replace(known, seen.clone()) != seen,
            None => namespace.accounts.insert(name, seen).is_none(),
        });
    }
}
