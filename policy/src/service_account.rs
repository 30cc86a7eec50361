//! ServiceAccounts: a new one gets the references of every registry that selects it, so that its first Pod
//! already has them; later only the controller removes them.

use tcr::names::SECRET_PREFIX;
use tcr::sentence::joined;

use crate::error::Error;
use crate::inject::Slot;
use crate::json::{Malformed, Scanner, Span};
use crate::managed_secret::may_change;
use crate::pod_spec::{Metadata, PullSecrets};
use crate::registry::Wanted;
use crate::request::Operation;
use crate::review::{Review, Selected};
use crate::settings::Level;
use crate::verdict::{Answer, Verdict};

#[cfg(test)]
mod tests;

/// A ServiceAccount, as far as the policy looks at it.
struct ServiceAccount<'a> {
    name: String,
    metadata: Metadata,
    pull_secrets: PullSecrets<'a>,
}

/// Decides about a ServiceAccount.
pub(crate) fn decide(review: &Review<'_>) -> Result<Answer, Error> {
    let request = &review.request;
    let Some(object) = request.object.filter(|_| request.sub_resource.is_empty()) else {
        return Ok(Answer::accept());
    };
    match (request.operation, request.old_object) {
        (Operation::Create, _) => create(review, object),
        (Operation::Update, Some(old)) => update(review, object, old),
        _ => Ok(Answer::accept()),
    }
}

fn create(review: &Review<'_>, object: Span) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let account = read(review.payload, object)?;
    let name = if review.request.name.is_empty() { &account.name } else { review.request.name.as_ref() };
    let settings = review.settings(&Wanted { all: true, ..Wanted::default() }, &mut answer)?;
    let mut missing = Vec::new();
    let listed = account.pull_secrets.among(settings.secrets());
    for registry in &settings.registries {
        if listed.has(&registry.secret) {
            continue;
        }
        if let Selected::Yes = review.selects(registry, name, &settings, &mut answer)? {
            missing.push(registry.secret.as_str());
        }
    }
    if let Some(edit) = account.pull_secrets.slot.add(missing.iter().copied()) {
        answer.note("injected", joined(&missing, ", "));
        answer.verdict = Verdict::Patch { object, edit };
    }
    Ok(answer)
}

fn update(review: &Review<'_>, object: Span, old: Span) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let old = read(review.payload, old)?;
    let account = read(review.payload, object)?;
    // A list that keeps its entries in order, as nearly always, needs no look at the registries.
    let mut now = account.pull_secrets.names.iter();
    let mut managed = old.pull_secrets.names.iter().filter(|(_, name)| name.starts_with(SECRET_PREFIX));
    if account.metadata.deleting || managed.all(|(_, name)| now.any(|(_, other)| other == name)) {
        return Ok(answer);
    }
    let settings = review.settings(&Wanted { all: true, ..Wanted::default() }, &mut answer)?;
    let had = old.pull_secrets.among(settings.secrets());
    let has = account.pull_secrets.among(settings.secrets());
    if settings.protect == Level::Off || may_change(&review.request.username, &settings) {
        return Ok(answer);
    }
    let name = if review.request.name.is_empty() { &account.name } else { review.request.name.as_ref() };
    let mut reasons = Vec::new();
    for registry in &settings.registries {
        if !had.has(&registry.secret) || has.has(&registry.secret) {
            continue;
        }
        let Selected::Yes = review.selects(registry, name, &settings, &mut answer)? else { continue };
        reasons.push(format!(
            "the ServiceAccount {name:?} loses {:?}, which the ImagePullSecret {:?} gives it; change the \
             ImagePullSecret's serviceAccounts instead",
            registry.secret, registry.name
        ));
    }
    match settings.protect {
        Level::Reject if !reasons.is_empty() => answer.refuse(403, joined(&reasons, "; ")),
        _ => reasons.into_iter().for_each(|reason| answer.warn(format!("{reason}; it will be added again"))),
    }
    Ok(answer)
}

fn read(payload: &[u8], object: Span) -> Result<ServiceAccount<'_>, Malformed> {
    let mut name = String::new();
    let mut metadata = Metadata::default();
    let mut list = None;
    let container = Scanner::new(payload, object.start).object(|key, value| {
        match key {
            b"metadata" => {
                let mut again = value.clone();
                metadata = Metadata::read(value)?;
                name = again.at_path(&["name"], Scanner::string_or_empty)?.unwrap_or_default().into_owned();
            }
            b"imagePullSecrets" => list = Some(PullSecrets::read(value)?),
            _ => value.pass()?,
        }
        Ok(())
    })?;
    let slot = container.map_or(Slot::Unusable, Slot::member_of);
    Ok(ServiceAccount { name, metadata, pull_secrets: list.unwrap_or(PullSecrets::absent(slot)) })
}
