//! Service accounts belong to an instance, and each of its keepers needs all of them: keepers that wait at
//! the same time share one list.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use credential_plan::plan::is_named_by_us;
use tencent_cloud::client::Client;
use tencent_cloud::error::CloudError;
use tencent_cloud::service_account::ServiceAccount;

/// The lists that are being read, by region and instance.
#[derive(Debug, Default)]
pub struct AccountLists {
    by_instance: Mutex<BTreeMap<(String, String), Arc<Shared>>>,
}

type List = Arc<[ServiceAccount]>;

#[derive(Debug, Default)]
struct Shared {
    /// The number of lists that were begun.
    begun: AtomicU64,
    /// The last list that was read to its end, with its number. The lock is held while a list is read.
    last: tokio::sync::Mutex<Option<(u64, List)>>,
}

impl AccountLists {
    /// The service accounts of the instance at some time after this call began.
    pub(super) async fn read(
        &self,
        cloud: &Client,
        region: &str,
        instance: &str,
    ) -> Result<List, CloudError> {
        let shared = {
            let key = (region.to_owned(), instance.to_owned());
            let mut by_instance = self.by_instance.lock().unwrap_or_else(PoisonError::into_inner);
            by_instance.entry(key).or_default().clone()
        };
        let list = async || {
            let mut accounts = cloud.service_accounts(region, instance).await?;
            accounts.iter_mut().for_each(forget_others);
            Ok(accounts.into())
        };
        shared.read(list).await
    }
}

/// Reduces other owners' accounts to their presence: the list is kept until the next one.
fn forget_others(account: &mut ServiceAccount) {
    if !is_named_by_us(&account.name) {
        (account.description, account.permissions) = Default::default();
    }
}

impl Shared {
    async fn read<E>(&self, list: impl AsyncFnOnce() -> Result<List, E>) -> Result<List, E> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        // A list that was begun before this call may lack what the caller changed just before it.
        if let Some((number, list)) = last.as_ref().filter(|(number, _)| *number > before) {
            tracing::trace!(number, "a list of service accounts is shared");
            return Ok(list.clone());
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let list = list().await?;
        *last = Some((number, list.clone()));
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tencent_cloud::service_account::Permission;

    use super::*;

    #[test]
    fn of_others_accounts_only_the_names_are_kept() {
        let account = |name: &str| ServiceAccount {
            name: name.to_owned(),
            description: "d".to_owned(),
            enabled: true,
            expires_at: None,
            permissions: vec![Permission { resource: "team-a".to_owned(), actions: Vec::new() }],
        };
        let kept = |name| {
            let mut account = account(name);
            forget_others(&mut account);
            (account.description.len(), account.permissions.len())
        };
        assert_eq!(kept("tcr$tcr-assistant-1a2b3c4d-000000000001"), (1, 1));
        assert_eq!(kept("tcr$build"), (0, 0));
        assert_eq!(kept("tcr-assistant-1"), (0, 0));
    }

    #[tokio::test]
    async fn all_callers_that_wait_share_a_list_that_was_begun_after_they_asked() {
        let shared = Arc::new(Shared::default());
        let reads = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let ask = || {
            let (shared, reads, gate) = (shared.clone(), reads.clone(), gate.clone());
            tokio::spawn(async move {
                let list = async || {
                    reads.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.map_err(drop)?.forget();
                    Ok::<List, ()>(Arc::from([]))
                };
                shared.read(list).await.map(drop)
            })
        };
        let first = ask();
        while reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The first list may have been begun before these calls.
        let others: Vec<_> = (0..50).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(()));
        for other in others {
            assert_eq!(other.await.unwrap(), Ok(()));
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2);
    }
}
