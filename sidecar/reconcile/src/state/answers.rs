//! What the API server's answers to reads and writes change.

use std::sync::Arc;

use super::{Observation, State};
use distribution::job::Written;
use distribution::{Account, Placed, SeenSecret};

impl State {
    /// Takes in objects that were read; for each, the ImagePullSecret whose object another client changed
    /// back.
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

    /// Takes in objects that were written, from the API server's answers, so that the watch event of the same
    /// write changes nothing.
    pub(crate) fn written(&mut self, namespace: &Arc<str>, written: Vec<Written>) {
        for one in written {
            match one {
                Written::Secret { name, seen: Some(seen) } => drop(self.take_secret(namespace, &name, seen)),
                Written::Secret { name, seen: None } => {
                    drop(self.change(namespace, |namespace| namespace.secrets.remove(&name).is_some()));
                }
                Written::Account(account) => self.take_account(account),
                // Its watch reports the deletion too, in the right order with later events.
                Written::AccountGone { .. } => {}
            }
        }
    }

    /// The API server answered with this Secret. A list that is being received need not contain it.
    fn take_secret(&mut self, namespace: &Arc<str>, name: &str, seen: SeenSecret) -> Observation {
        self.lost.remove(&(namespace.clone(), Arc::from(name)));
        let name = self.share(name);
        self.observed.add(namespace);
        self.change(namespace, |namespace| match namespace.secrets.get_mut(&name) {
            // A Secret that is not watched has no version: the answer is the newest state.
            Some(known) if seen.is_ours() && known.version() > seen.version() => false,
            Some(known) => std::mem::replace(known, seen.clone()) != seen,
            None => namespace.secrets.insert(name, seen).is_none(),
        })
    }

    /// The API server answered with this ServiceAccount. A list that is being received need not contain it.
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
