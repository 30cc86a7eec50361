//! ImagePullSecrets: refused when the controller could not carry them out, by the controller's
//! own rules.

use serde_json::Value;
use tcr::image_pull_secret::{CredentialKind, ImagePullSecretSpec, MAX_DOMAINS, OnDelete};
use tcr::name_list::NameList;
use tcr::rules::{self, RuleContext};
use tcr::sentence::joined;

use crate::error::Error;
use crate::json::{self, Span};
use crate::registry::{Registry, Wanted};
use crate::request::Operation;
use crate::review::Review;
use crate::settings::{Settings, Text};
use crate::text_set::TextSet;
use crate::verdict::{Answer, Verdict};

mod tenants;
#[cfg(test)]
mod tests;

/// Decides about an ImagePullSecret.
pub(crate) fn decide(review: &Review<'_>) -> Result<Answer, Error> {
    let request = &review.request;
    if !request.sub_resource.is_empty() {
        return Ok(Answer::accept());
    }
    let mut answer = match (request.operation, request.object, request.old_object) {
        (Operation::Create | Operation::Update, Some(object), old) => validate(review, object, old)?,
        (Operation::Delete, _, Some(old)) => delete(review.payload, old),
        _ => return Ok(Answer::accept()),
    };
    // What cannot be read has been refused with its own reasons.
    if answer.verdict == Verdict::Accept {
        tenants::limit(review, &mut answer)?;
    }
    Ok(answer)
}

fn validate(review: &Review<'_>, object: Span, old: Option<Span>) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let object: Value = match json::value(object.of(review.payload)) {
        Ok(object) => object,
        Err(error) => return Ok(Answer::reject(422, format!("cannot read the ImagePullSecret: {error}"))),
    };
    // Whatever is wrong with it, its finalizer must be removable.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok(answer);
    }
    let old: Option<Value> = old.and_then(|old| json::value(old.of(review.payload)).ok());
    // What was admitted before these rules must not block changes of labels and finalizers.
    let unchanged = old.as_ref().is_some_and(|old| old.get("spec") == object.get("spec"));
    let name = object["metadata"]["name"].as_str().unwrap_or(&review.request.name).to_owned();
    let mut errors = Vec::new();
    match rules::read(&object) {
        Err(findings) => {
            errors.extend(findings.errors.iter().map(ToString::to_string));
            findings.warnings.iter().for_each(|warning| answer.warn(warning.to_string()));
        }
        Ok((name, spec)) => {
            check(review, &name, &spec, &mut errors, &mut answer)?;
            warn_of_credential_left(old.as_ref(), &spec, &mut answer);
        }
    }
    if errors.is_empty() {
        return Ok(answer);
    }
    if unchanged {
        errors.into_iter().for_each(|error| answer.warn(error));
    } else {
        answer.refuse(422, format!("ImagePullSecret {name:?}: {}", joined(&errors, "; ")));
    }
    Ok(answer)
}

fn check(
    review: &Review<'_>,
    name: &str,
    spec: &ImagePullSecretSpec,
    errors: &mut Vec<String>,
    answer: &mut Answer,
) -> Result<(), Error> {
    let hosts = hosts(spec);
    // What asks for no credential is nobody's rival.
    let tcr = spec.tcr.as_ref().filter(|tcr| tcr.has_credential());
    let instance = tcr.map(|tcr| tcr.instance_id.as_str()).filter(|id| !id.is_empty());
    let wanted = Wanted { hosts: &hosts, instance, ..Wanted::default() };
    let settings = review.settings(&wanted, answer)?;
    let cluster_id = settings.texts(Text::ClusterId).next();
    let context = RuleContext {
        allowed_roots: &owned(&settings, Text::AllowedRoots),
        allowed_aliases: &owned(&settings, Text::AllowedAliases),
        allowed_roles: &owned(&settings, Text::AllowedRoles),
        cluster_id: cluster_id.filter(|id| !id.is_empty()),
        description_required: cluster_id.is_some(),
        cluster_region: settings.texts(Text::ClusterRegion).next().filter(|region| !region.is_empty()),
    };
    let findings = rules::check(name, spec, &context);
    errors.extend(findings.errors.iter().map(ToString::to_string));
    findings.warnings.iter().for_each(|warning| answer.warn(warning.to_string()));
    let namespaces = spec.namespaces.parse::<NameList>().ok();
    let own: Option<TextSet<'_>> =
        namespaces.as_ref().and_then(NameList::exact_names).map(|names| names.into_iter().collect());
    // Beside others the controller gives a service account keys for its own images alone.
    let is_by_namespace = tcr.is_some_and(|tcr| tcr.credential.kind == CredentialKind::ServiceAccount);
    for other in settings.registries.iter().filter(|other| other.name != name) {
        let what = match (other.hosts.first(), instance) {
            (Some(host), _) => format!("registry host {host:?}"),
            (None, Some(instance)) => format!("instance {instance:?}"),
            (None, None) => continue,
        };
        if !other.discovered {
            answer.warn(format!("spec: the {what} also belongs to the policy's registry {:?}", other.name));
        } else if !is_by_namespace
            && other.registry_namespaces.is_empty()
            && !own.as_ref().is_some_and(|own| are_disjoint(own, other))
        {
            errors.push(format!(
                "spec: the {what} already belongs to the ImagePullSecret {:?}; change that one, or give both \
                 namespaces by name, without overlap",
                other.name
            ));
        }
    }
    Ok(())
}

/// Once, and not at each list: that is a kilobyte of wasm.
#[inline(never)]
fn owned(settings: &Settings<'_>, setting: Text) -> Vec<String> {
    settings.texts(setting).map(str::to_owned).collect()
}

/// Both name their namespaces one by one, and none twice. What globs and selectors overlap in
/// only the controller can tell.
fn are_disjoint(own: &TextSet<'_>, other: &Registry) -> bool {
    let others = other.selection.namespaces.exact_names();
    others.is_some_and(|others| !others.iter().any(|name| own.has(name)))
}

/// The hosts that it names. By loops: chained iterators over both lists are two kilobytes of wasm.
fn hosts(spec: &ImagePullSecretSpec) -> Vec<&str> {
    let mut hosts = Vec::new();
    if let Some(docker) = &spec.docker {
        hosts.push(docker.server.as_str());
    }
    if let Some(tcr) = spec.tcr.as_ref().filter(|tcr| tcr.has_credential()) {
        for list in [&tcr.domains, &tcr.aliases] {
            // One more than may be is refused.
            for host in list.iter().take(MAX_DOMAINS + 1) {
                if !matches!(host.as_str(), "default" | "vpc") {
                    hosts.push(host);
                }
            }
        }
    }
    hosts
}

/// A long-term credential that the object no longer uses stays at the registry, or goes, as the object said before.
fn warn_of_credential_left(old: Option<&Value>, spec: &ImagePullSecretSpec, answer: &mut Answer) {
    let Some(Ok((_, ImagePullSecretSpec { tcr: Some(old), .. }))) = old.map(rules::read) else { return };
    if old.credential.kind != CredentialKind::Longterm {
        return;
    }
    let new = spec.tcr.as_ref().map(|tcr| tcr.instance_id.as_str());
    if new != Some(old.instance_id.as_str()) {
        let to = new.map_or("a static credential".to_owned(), |id| format!("{id:?}"));
        answer.warn(format!(
            "spec.tcr.instanceId: changes from {:?} to {to}, and the long-term credential of {:?} stays valid; delete it \
             in the TCR console when no Pod uses it any more",
            old.instance_id, old.instance_id
        ));
    } else if !spec.has_credential() {
        let fate = match old.credential.on_delete() {
            OnDelete::Retain => "stays valid: delete it in the TCR console, or set onDelete to Revoke before",
            OnDelete::Revoke => "is revoked",
        };
        answer.warn(format!(
            "spec.tcr.credential.type: changes to none: the Secret is taken out of every namespace, so that Pods pull from \
             {:?} no longer without a pull secret of their own, and its long-term credential {fate}",
            old.instance_id
        ));
    }
}

fn delete(payload: &[u8], old: Span) -> Answer {
    let mut answer = Answer::accept();
    let Ok(object) = json::value(old.of(payload)) else { return answer };
    let Ok((name, ImagePullSecretSpec { tcr: Some(tcr), .. })) = rules::read(&object) else { return answer };
    if tcr.credential.kind.is_listed() && tcr.credential.on_delete() == OnDelete::Retain {
        let token = object["status"]["tokenId"].as_str();
        let token = token.map(|id| format!(" {id:?}")).unwrap_or_default();
        answer.warn(format!(
            "the ImagePullSecret {name:?} is deleted, and its credential{token} stays valid in {:?}; delete it in the \
             TCR console, or next time set spec.tcr.credential.onDelete to Revoke first",
            tcr.instance_id
        ));
    }
    answer
}
