//! Namespaces, their ServiceAccounts, and what kube-controller-manager does in them.

use super::{ACCOUNTS, Account, Cluster, Kind, Namespace, OBJECTS, Record};

impl Cluster {
    /// Makes a namespace.
    pub fn create_namespace(&mut self, place: usize, label: bool) -> bool {
        if self.namespaces[place].is_some() {
            return false;
        }
        self.namespaces[place] = Some(Box::new(Namespace {
            terminating: false,
            label,
            secrets: [const { None }; OBJECTS.len()],
            accounts: [const { None }; ACCOUNTS.len()],
            quota: None,
            counted: 0,
            denied: 0,
            had_default: false,
        }));
        self.tell(Kind::Namespace, Record::Namespace(place, Some((false, label))));
        true
    }

    /// Changes the namespace itself.
    pub fn change_namespace(&mut self, place: usize, change: impl FnOnce(&mut Namespace)) -> bool {
        let Some(namespace) = &mut self.namespaces[place] else { return false };
        let before = (namespace.terminating, namespace.label);
        change(namespace);
        let after = (namespace.terminating, namespace.label);
        if before == after {
            return false;
        }
        self.tell(Kind::Namespace, Record::Namespace(place, Some(after)));
        true
    }

    /// The next thing that kube-controller-manager does in a namespace; whether there was any.
    pub fn manage(&mut self, place: usize) -> bool {
        let Some(namespace) = &self.namespaces[place] else { return false };
        if !namespace.terminating {
            if namespace.accounts[0].is_none() {
                if let Some(namespace) = &mut self.namespaces[place] {
                    namespace.had_default = true;
                }
                return self.set_account(place, 0, &[], false, 0);
            }
            return self.recount(place);
        }
        if let Some(index) = namespace.accounts.iter().position(Option::is_some) {
            return self.delete_account(place, index);
        }
        if let Some(slot) = namespace.secrets.iter().position(Option::is_some) {
            return self.delete_secret(place, slot);
        }
        self.namespaces[place] = None;
        self.tell(Kind::Namespace, Record::Namespace(place, None));
        true
    }

    fn recount(&mut self, place: usize) -> bool {
        let Some(namespace) = &mut self.namespaces[place] else { return false };
        let count = namespace.secrets.iter().flatten().count() as u8;
        std::mem::replace(&mut namespace.counted, count) != count
    }

    /// Makes or changes a ServiceAccount.
    pub fn set_account(
        &mut self,
        place: usize,
        index: usize,
        references: &[u8],
        has_list: bool,
        by_us: u8,
    ) -> bool {
        if self.namespaces[place].is_none() {
            return false;
        }
        let version = self.tick();
        let account = Account { version, references: references.into(), has_list, by_us };
        self.tell(Kind::Account, Record::Account(place, index, Some(account.clone())));
        if let Some(namespace) = &mut self.namespaces[place] {
            namespace.accounts[index] = Some(account);
        }
        true
    }

    /// Deletes a ServiceAccount.
    pub fn delete_account(&mut self, place: usize, index: usize) -> bool {
        let Some(namespace) = &mut self.namespaces[place] else { return false };
        if namespace.accounts[index].take().is_none() {
            return false;
        }
        self.tell(Kind::Account, Record::Account(place, index, None));
        true
    }

    /// The ServiceAccount.
    pub fn account(&self, place: usize, index: usize) -> Option<&Account> {
        self.namespaces[place].as_ref()?.accounts[index].as_ref()
    }
}
