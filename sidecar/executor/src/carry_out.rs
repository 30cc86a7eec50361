//! One job: what is asked for, in which order, and what the answers mean.

use distribution::job::{Job, Report, Unmet, Written};
use distribution::reference::Edit;
use distribution::{Change, Content, SeenSecret, Stage, Uid};
use kubernetes::api_error::ApiError;

use crate::{NamespaceApi, Progress, WholeSecret};

/// Carries out a job. Whatever becomes of it, its report says what there is then, as far as that became known.
pub async fn carry_out(api: &impl NamespaceApi, job: Job) -> Report {
    let started = api.now();
    let Job { namespace, look, unmet, changes } = job;
    let mut progress = Progress::default();
    look_at_all(api, look, &mut progress).await;
    write_all(api, changes, &unmet, &mut progress).await;
    progress.into_report(namespace, api.now().saturating_duration_since(started))
}

async fn look_at_all(
    api: &impl NamespaceApi,
    secrets: Vec<(String, Option<Content>)>,
    progress: &mut Progress,
) {
    for (secret, content) in secrets {
        if progress.is_over {
            return;
        }
        match api.read(&secret, None, content.as_ref()).await {
            Ok(seen) => progress.looked.push(Written::Secret { name: secret, seen }),
            Err(error) => progress.fail_to_read(secret, &error),
        }
    }
}

async fn write_all(
    api: &impl NamespaceApi,
    changes: Vec<(Change, Option<Uid>)>,
    unmet: &[Unmet],
    progress: &mut Progress,
) {
    // Secrets come first in a plan; what refers to them waits for all.
    let is_secret = |(change, _): &&(Change, Option<Uid>)| change.stage() == Stage::Secrets;
    let first = if progress.is_over { 0 } else { changes.iter().take_while(is_secret).count() };
    let mut changes = changes.into_iter();
    let secrets = changes.by_ref().take(first).map(async |(change, known)| {
        let (written, result) = write(api, &change, known).await;
        (change, written, result)
    });
    for (change, written, result) in futures::future::join_all(secrets).await {
        progress.written.extend(written);
        if let Err(error) = result {
            progress.fail(&change, &error);
        }
    }
    for (change, known) in changes {
        let Some(change) = progress.admit(change, api.now()) else { continue };
        if let Err(error) = meet(api, &change, unmet, progress).await {
            progress.fail(&change, &error);
            continue;
        }
        let (written, result) = write(api, &change, known).await;
        progress.written.extend(written);
        if let Err(error) = result {
            progress.fail(&change, &error);
        }
    }
}

/// Reads the Secrets that were never seen and to which the write removes references. Where one is somebody's own, the plan
/// is made anew with that.
async fn meet(
    api: &impl NamespaceApi,
    change: &Change,
    unmet: &[Unmet],
    progress: &mut Progress,
) -> Result<(), ApiError> {
    let Change::EditReferences { edit, .. } = change else { return Ok(()) };
    for Unmet { secret, known, content } in unmet {
        if !edit.removed().any(|removed| removed == secret) {
            continue;
        }
        if !progress.has_met(secret) {
            let seen = api.read(secret, known.as_ref(), content.as_ref()).await?;
            progress.looked.push(Written::Secret { name: secret.clone(), seen });
        }
        if progress.has_met_another(secret) {
            return Err(ApiError::Overtaken);
        }
    }
    Ok(())
}

/// Carries out one write; what there is then, as far as it became known.
async fn write(
    api: &impl NamespaceApi,
    change: &Change,
    known: Option<Uid>,
) -> (Vec<Written>, Result<(), ApiError>) {
    let secret = change.target().1.into_owned();
    let mut one = One { api, secret, written: Vec::new() };
    let result = match change {
        Change::CreateSecret { name, content } => one.create(name, known.as_ref(), content).await,
        Change::UpdateSecret { name, uid, content, .. } => one.update(name, uid, content).await,
        Change::ReplaceSecret { name, uid, content } => one.replace(name, uid, content).await,
        Change::MarkSecret { name, uid, content } => one.mark(name, uid, content).await,
        Change::DeleteSecret { uid, .. } => one.delete(uid).await,
        Change::EditReferences { account, edit } => one.edit(account, edit).await,
    };
    (one.written, result)
}

struct One<'a, A> {
    api: &'a A,
    /// The name of the Secret, where it is one.
    secret: String,
    written: Vec<Written>,
}

impl<A: NamespaceApi> One<'_, A> {
    async fn create(&mut self, name: &str, known: Option<&Uid>, content: &Content) -> Result<(), ApiError> {
        match self.api.create(name, content, false).await {
            Ok(made) => self.done(Some(made)),
            // Quotas and policies refuse to create also what is there already, such as one of ours without its labels:
            // that is mended in place, and may be referred to.
            Err(error) if error.is_of_object() && !error.is_namespace_going() => {
                match self.api.read(&self.secret, known, Some(content)).await? {
                    None if !error.is_already_exists() => Err(error),
                    seen => self.overtaken(seen),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes and creates. What is there stays where another one would be refused: a credential that works is better
    /// than none.
    async fn replace(&mut self, name: &str, uid: &Uid, content: &Content) -> Result<(), ApiError> {
        match self.api.create(name, content, true).await {
            Ok(_) => {}
            // It was admitted, and is only met by the one that goes.
            Err(error) if error.is_already_exists() => {}
            // In which the one that goes is counted too.
            Err(error) if error.is_quota_exceeded() => {}
            Err(error) => return Err(error),
        }
        self.delete(uid).await?;
        self.create(name, None, content).await
    }

    /// In place, so that the uid stays: kubelets then know that the credential may use the images
    /// that it pulled before (KEP-2535).
    async fn update(&mut self, name: &str, uid: &Uid, content: &Content) -> Result<(), ApiError> {
        match self.api.patch(name, uid, content).await {
            Ok(made) => self.done(Some(made)),
            Err(error) if error.is_not_found() => self.overtaken(None),
            // Another Secret, one without any label or annotation, or one that became immutable out of sight: a patch
            // cannot tell these apart.
            Err(error) if error.code() == Some(422) => self.write_back(name, uid, content).await,
            Err(error) => Err(error),
        }
    }

    async fn write_back(&mut self, name: &str, uid: &Uid, content: &Content) -> Result<(), ApiError> {
        let Some(whole) = self.api.read_whole(&self.secret).await? else { return self.overtaken(None) };
        let WholeSecret { uid: found, is_immutable, object } = whole;
        let is_same = found == *uid;
        // Another one, or one that no update mends and only another one can replace.
        if !is_same || is_immutable {
            let seen = self.api.seen(object, Some(uid).filter(|_| is_same), content);
            return self.overtaken(Some(seen));
        }
        let made = self.api.replace(name, object, content).await?;
        self.done(Some(made))
    }

    async fn mark(&mut self, name: &str, uid: &Uid, content: &Content) -> Result<(), ApiError> {
        match self.api.mark(name, uid, content).await {
            Ok(made) => self.done(Some(made)),
            Err(error) if error.is_not_found() => self.overtaken(None),
            Err(error) => Err(error),
        }
    }

    async fn delete(&mut self, uid: &Uid) -> Result<(), ApiError> {
        match self.api.delete(&self.secret, uid).await {
            Ok(()) => {}
            // The one that was meant is gone, also when there is another one, of which no watch may tell.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        self.done(None)
    }

    async fn edit(&mut self, account: &str, edit: &Edit) -> Result<(), ApiError> {
        match self.api.edit(account, edit).await {
            Ok(made) => self.written.push(Written::Account(made)),
            Err(error) if error.is_not_found() => {
                self.written.push(Written::AccountGone { name: account.to_owned() });
            }
            // The test of the version failed.
            Err(error) if error.is_inapplicable_patch() => return Err(ApiError::Overtaken),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn done(&mut self, seen: Option<SeenSecret>) -> Result<(), ApiError> {
        self.written.push(Written::Secret { name: self.secret.clone(), seen });
        Ok(())
    }

    /// Another one was faster: what there is instead is written down, and the plan made anew.
    fn overtaken(&mut self, seen: Option<SeenSecret>) -> Result<(), ApiError> {
        self.written.push(Written::Secret { name: self.secret.clone(), seen });
        Err(ApiError::Overtaken)
    }
}
