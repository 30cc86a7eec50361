//! Pods: at their creation they get the references they need; later the list cannot change, and
//! the policy can only warn.

use tcr::names::INJECT_ANNOTATION;
use tcr::sentence::joined;

use crate::error::Error;
use crate::json::Scanner;
use crate::needs::{Need, Told, needs};
use crate::pod_spec::{Pod, PodSpec};
use crate::registry::{Wanted, hosts_of};
use crate::request::Operation;
use crate::review::Review;
use crate::text_set::TextSet;
use crate::verdict::{Answer, Verdict, short};

#[cfg(test)]
mod tests;

/// Decides about a Pod, or about its ephemeral containers.
pub(crate) fn decide(review: &Review<'_>) -> Result<Answer, Error> {
    let request = &review.request;
    let Some(pod) = &request.pod else { return Ok(Answer::accept()) };
    match (request.operation, request.sub_resource.as_ref()) {
        (Operation::Create, "") => create(review, pod),
        (Operation::Update, "" | "ephemeralcontainers") => update(review, pod),
        _ => Ok(Answer::accept()),
    }
}

fn create(review: &Review<'_>, pod: &Pod<'_>) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let Some(spec) = &pod.spec else { return Ok(answer) };
    if pod.metadata.mirror {
        answer.note("skipped", "the Pod mirrors a static Pod".to_owned());
        return Ok(answer);
    }
    if pod.metadata.opted_out {
        answer.note("skipped", format!("the annotation {INJECT_ANNOTATION} is \"false\""));
        return Ok(answer);
    }
    if spec.images_left_out > 0 {
        answer.note("skipped", format!("{} images past the limit", spec.images_left_out));
        Review::warn_of_images_left_out(spec, &mut answer);
    }
    if spec.images.is_empty() {
        return Ok(answer);
    }
    let hosts = hosts_of(&spec.images);
    let wanted = Wanted { hosts: hosts.as_slice(), ..Wanted::default() };
    let settings = review.settings(&wanted, &mut answer)?;
    // A user who makes Pods by a workload was warned about the workload's template.
    let told = Told { notes: true, warnings: !pod.metadata.owned };
    let mut needs = needs(review, &settings, spec, &spec.images, told, &mut answer)?;
    for need in needs.iter().filter(|need| need.image.is_none() && !need.is_listed) {
        answer.note("skipped", format!("{} is for other registry namespaces", need.registry.secret));
    }
    leave_what_the_service_account_forbids(review, spec, &mut needs, &mut answer);
    let missing = || needs.iter().filter(|need| need.is_missing());
    if let Some(edit) = spec.pull_secrets.slot.add(missing().map(|need| need.registry.secret.as_str())) {
        for need in missing() {
            answer.note("injected", format!("{} ({})", need.registry.secret, some_images(need, spec)));
        }
        answer.verdict = Verdict::Patch { object: pod.span, edit };
    }
    if !pod.metadata.owned {
        review.warn_of_unknown_hosts(&spec.images, &hosts, &settings, &mut answer)?;
    }
    Ok(answer)
}

/// A ServiceAccount that enforces mountable secrets makes the API server refuse Pods that refer
/// to a Secret it does not list. If it cannot be read the reference is added: the annotation is
/// rare, and ServiceAccounts list our Secrets as a rule.
fn leave_what_the_service_account_forbids(
    review: &Review<'_>,
    spec: &PodSpec<'_>,
    needs: &mut [Need<'_, '_>],
    answer: &mut Answer,
) {
    if !needs.iter().any(Need::is_missing) {
        return;
    }
    let name = &spec.service_account;
    let Some(account) = review.service_account(name).filter(|account| account.enforces) else { return };
    let listed: TextSet<'_> = account.pull_secrets.iter().map(String::as_str).collect();
    for need in needs.iter_mut().filter(|need| need.is_missing()) {
        let secret = &need.registry.secret;
        if listed.has(secret) {
            continue;
        }
        answer
            .note("skipped", format!("the ServiceAccount {name:?} enforces its secrets and lacks {secret}"));
        answer.warn(format!(
            "image {:?} gets no pull secret: the ServiceAccount {name:?} enforces mountable secrets and does \
             not list {secret:?}; add it to the ServiceAccount's imagePullSecrets",
            short(need.image.take().unwrap_or_default())
        ));
    }
}

/// A running Pod gets a new image, but no new reference.
fn update(review: &Review<'_>, pod: &Pod<'_>) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let (Some(spec), Some(old)) = (&pod.spec, review.request.old_object) else { return Ok(answer) };
    let metadata = &pod.metadata;
    if metadata.mirror || metadata.opted_out || metadata.deleting {
        return Ok(answer);
    }
    let old = Pod::read(&mut Scanner::new(review.payload, old.start))?;
    let old_images = old.spec.iter().flat_map(|spec| spec.images.iter().chain(&spec.ephemeral_images));
    let old_images: TextSet<'_> = old_images.map(AsRef::as_ref).collect();
    let all = spec.images.iter().chain(&spec.ephemeral_images);
    let images: Vec<_> = all.filter(|image| !old_images.has(image)).cloned().collect();
    // What was left out before is nothing new.
    if spec.images_left_out > old.spec.as_ref().map_or(0, |spec| spec.images_left_out) {
        Review::warn_of_images_left_out(spec, &mut answer);
    }
    if images.is_empty() {
        return Ok(answer);
    }
    let hosts = hosts_of(&images);
    let settings = review.settings(&Wanted { hosts: hosts.as_slice(), ..Wanted::default() }, &mut answer)?;
    let told = Told { notes: false, warnings: true };
    for need in needs(review, &settings, spec, &images, told, &mut answer)? {
        if !need.is_listed
            && let Some(image) = need.registry.images(&images).next()
        {
            answer.warn(format!(
                "image {:?} needs the pull secret {:?}, which a running Pod cannot get any more; create the Pod anew",
                short(image),
                need.registry.secret
            ));
        }
    }
    review.warn_of_unknown_hosts(&images, &hosts, &settings, &mut answer)?;
    Ok(answer)
}

/// Up to three images, for the audit log.
fn some_images(need: &Need<'_, '_>, spec: &PodSpec<'_>) -> String {
    const SHOWN: usize = 3;
    let mut distinct = vec![need.image.unwrap_or_default()];
    for image in need.registry.images(&spec.images) {
        if !distinct.contains(&image) {
            distinct.push(image);
        }
    }
    let mut text = joined(&distinct[..distinct.len().min(SHOWN)], ", ");
    if distinct.len() > SHOWN {
        text.push_str(&format!(" and {} more", distinct.len() - SHOWN));
    }
    text
}
