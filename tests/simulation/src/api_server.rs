//! What each call does, and what the answer is.

use credential::store::Document;
use distribution::{Digest, Uid};
use kubernetes::api_error::ApiError;
use tencent_cloud::error::Failure;

use crate::call::{Call, Reply};
use crate::cloud;
use crate::cluster::{Account, Labels, Secret, Stored, denied};
use crate::refusal;
use crate::world::World;

impl World {
    pub(crate) fn execute(&mut self, id: u32, process: u32, call: Call, abandoned: bool) -> Reply {
        let now = self.timestamp();
        match call {
            Call::Instance(key) => Reply::Instance(Ok(Some(self.cloud.instance(&key, &self.public_domain)))),
            Call::CreateToken(key, description) => {
                let issued = self.cloud.create(&key, &description, now, id, process);
                if let Some(token) = self.cloud.tokens.last_mut() {
                    token.abandoned = abandoned;
                }
                self.check_creation(&key.secret_name(), process);
                Reply::Issued(Ok(issued))
            }
            Call::CreateAccount(key, account) => {
                let Some(issued) = self.cloud.create_account(&key, &account, id, process) else {
                    return Reply::Issued(Err(cloud::denied()));
                };
                if let Some(token) = self.cloud.tokens.last_mut() {
                    token.abandoned = abandoned;
                }
                self.check_creation(&key.secret_name(), process);
                Reply::Issued(Ok(issued))
            }
            Call::SetAccount(account) => Reply::Deleted(match self.cloud.set_account(&account) {
                true => Ok(()),
                false => Err(cloud::denied()),
            }),
            Call::ListTokens => Reply::Tokens(Ok(self.cloud.list())),
            Call::DeleteToken(token) => {
                self.check_token_deletion(&token);
                Reply::Deleted(match self.cloud.delete(&token) {
                    true => Ok(()),
                    false => Err(Failure::Refused {
                        // No code of the API says that it is gone.
                        code: "InternalError.Unknown".to_owned(),
                        message: "unknown error".to_owned(),
                        request_id: None,
                    }),
                })
            }
            Call::ReadStored(name) => Reply::Stored(Ok(self.cluster.stored.get(&name).cloned())),
            Call::WriteStored(document, before) => Reply::Stored(self.write_stored(*document, before)),
            Call::DeleteStored(name, version, uid) => Reply::Stored(self.delete_stored(&name, version, uid)),
            Call::ListStored => {
                Reply::AllStored(Ok(self.cluster.stored.values().map(|it| it.document.clone()).collect()))
            }
            Call::Check(password) => Reply::Verdict(self.cloud.verdict(self.registry, &password, now)),
            Call::GetSecret(place, slot) => Reply::Secret(Ok(self.cluster.secret(place, slot).cloned())),
            Call::CreateSecret(place, slot, digest, is_dry_run) => {
                Reply::Secret(self.create_secret(place, slot, digest, is_dry_run))
            }
            Call::UpdateSecret(place, slot, uid, digest) => {
                Reply::Secret(self.update_secret(place, slot, &uid, digest))
            }
            Call::PutSecret(place, slot, version, digest) => {
                Reply::Secret(self.put_secret(place, slot, version, digest))
            }
            Call::MarkSecret(place, slot, uid, digest) => {
                Reply::Secret(self.mark_secret(place, slot, &uid, digest))
            }
            Call::DeleteSecret(place, slot, uid, replaces) => {
                Reply::Secret(self.delete_secret(place, slot, &uid, replaces, abandoned))
            }
            Call::EditAccount(place, index, version, list) => {
                Reply::Account(self.edit_account(place, index, version, &list))
            }
            Call::Status(slot, status) => {
                let Some(object) = &self.cluster.objects[slot] else {
                    return Reply::Done(Err(refusal::not_found()));
                };
                self.statuses += 1;
                self.is_said_by_former[slot] = abandoned || self.has_former;
                if *object.status != *status {
                    self.cluster.change_object(slot, |object| object.status = status);
                }
                Reply::Done(Ok(()))
            }
            Call::Finalize(slot, version, on) => {
                let Some(object) = &self.cluster.objects[slot] else {
                    return Reply::Done(Err(refusal::not_found()));
                };
                if object.version != version {
                    return Reply::Done(Err(refusal::conflict()));
                }
                if on && object.deleting {
                    return Reply::Done(Err(refusal::immutable()));
                }
                if !on {
                    self.check_release(slot);
                }
                self.cluster.change_object(slot, |object| object.secured = on);
                Reply::Done(Ok(()))
            }
        }
    }

    fn write_stored(
        &mut self,
        document: Document,
        before: Option<(u64, u64)>,
    ) -> Result<Option<Stored>, ApiError> {
        let name = document.key.secret_name();
        let found = self.cluster.stored.get(&name).map(|it| (it.version, it.uid));
        match (before, found) {
            (None, Some(_)) => return Err(refusal::already_exists()),
            (Some(_), None) => return Err(refusal::not_found()),
            (before, found) if before != found => return Err(refusal::conflict()),
            _ => {}
        }
        let version = self.cluster.tick();
        let uid = found.map_or(version, |(_, uid)| uid);
        let stored = Stored { document, version, uid };
        self.stores += 1;
        self.cluster.stored.insert(name, stored.clone());
        Ok(Some(stored))
    }

    fn delete_stored(&mut self, name: &str, version: u64, uid: u64) -> Result<Option<Stored>, ApiError> {
        match self.cluster.stored.get(name) {
            None => Err(refusal::not_found()),
            Some(found) if (found.version, found.uid) != (version, uid) => Err(refusal::conflict()),
            Some(_) => {
                self.stores += 1;
                self.check_parting(name);
                self.cluster.stored.remove(name);
                Ok(None)
            }
        }
    }

    fn create_secret(
        &mut self,
        place: usize,
        slot: usize,
        digest: Digest,
        is_dry_run: bool,
    ) -> Result<Option<Secret>, ApiError> {
        self.cluster.admit_secret(place, true)?;
        if self.cluster.secret(place, slot).is_some() {
            return Err(refusal::already_exists());
        }
        let secret = Secret {
            uid: Uid::of(""),
            version: 0,
            digest: Some(digest),
            labels: Labels::Ours,
            mark: Some(digest),
            mendable: true,
            made_by_us: true,
            given: false,
            same_registry: true,
        };
        if is_dry_run {
            return Ok(Some(secret));
        }
        self.cluster.writes += 1;
        self.gone_by_others[place][slot] = false;
        Ok(self.cluster.create_secret(place, slot, secret).cloned())
    }

    fn update_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        let is_bare = found.labels == Labels::None && found.mark.is_none();
        if found.uid != *uid || is_bare {
            return Err(refusal::inapplicable());
        }
        self.write_secret(place, slot, digest)
    }

    fn put_secret(
        &mut self,
        place: usize,
        slot: usize,
        version: u64,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.version != version {
            return Err(refusal::conflict());
        }
        self.write_secret(place, slot, digest)
    }

    fn write_secret(
        &mut self,
        place: usize,
        slot: usize,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        if self.cluster.secret(place, slot).is_some_and(|found| !found.mendable) {
            return Err(refusal::immutable());
        }
        self.cluster.admit_secret(place, false)?;
        self.check_secret_write(place, slot, Some(digest));
        self.cluster.writes += 1;
        Ok(self.cluster.change_secret(place, slot, |secret| {
            secret.digest = Some(digest);
            secret.labels = Labels::Ours;
            secret.mark = Some(digest);
            secret.made_by_us = true;
            secret.same_registry = true;
        }))
    }

    fn mark_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        digest: Digest,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.uid != *uid {
            return Err(refusal::immutable());
        }
        self.cluster.admit_secret(place, false)?;
        self.cluster.writes += 1;
        Ok(self.cluster.change_secret(place, slot, |secret| secret.mark = Some(digest)))
    }

    fn delete_secret(
        &mut self,
        place: usize,
        slot: usize,
        uid: &Uid,
        replaces: bool,
        abandoned: bool,
    ) -> Result<Option<Secret>, ApiError> {
        let Some(found) = self.cluster.secret(place, slot) else { return Err(refusal::not_found()) };
        if found.uid != *uid {
            return Err(refusal::conflict());
        }
        let refuses =
            self.cluster.namespaces[place].as_ref().is_some_and(|it| it.denied & denied::DELETIONS != 0);
        if refuses {
            return Err(refusal::forbidden("admission webhook \"guard\" denied the request"));
        }
        self.check_secret_write(place, slot, None);
        if !replaces {
            self.check_secret_deletion(place, slot);
        }
        self.gone_by_others[place][slot] |= abandoned || self.blurred[place];
        self.cluster.writes += 1;
        self.cluster.delete_secret(place, slot);
        Ok(None)
    }

    fn edit_account(
        &mut self,
        place: usize,
        index: usize,
        version: u64,
        list: &[u8],
    ) -> Result<Account, ApiError> {
        let namespace = self.cluster.namespaces[place].as_ref();
        let Some(found) = namespace.and_then(|it| it.accounts[index].as_ref()) else {
            return Err(refusal::not_found());
        };
        if found.version != version {
            return Err(refusal::inapplicable());
        }
        if index == 0 && namespace.is_some_and(|it| it.denied & denied::FIRST_ACCOUNT != 0) {
            return Err(refusal::forbidden("admission webhook \"guard\" denied the request"));
        }
        let by_us = self.check_account_write(place, index, list);
        self.cluster.writes += 1;
        self.cluster.set_account(place, index, list, true, by_us);
        let account = self.cluster.namespaces[place].as_ref().and_then(|it| it.accounts[index].clone());
        account.ok_or_else(refusal::not_found)
    }
}
