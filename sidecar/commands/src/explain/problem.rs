//! The texts about each problem that keeps an image from being pulled, and what to do about it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tcr::image_ref::registry_namespace_of;
use tcr::names::{CONTROLLER_DEPLOYMENT, INJECT_ANNOTATION, SYSTEM_NAMESPACE, derived_secret_name};
use tcr::pull_rights::lacks;

use super::case::Case;
use super::facts::{AskedFor, Content, Facts, SecretFacts};
use super::findings::{Problem, Who};
use super::selection::then_again;
use crate::reader::Seen;

pub(super) mod node;
pub(super) mod reach;

/// How to have a Pod created again.
pub(super) fn make_again(facts: &Facts) -> String {
    let (namespace, name) = (&facts.pod.namespace, &facts.pod.name);
    match &facts.pod.owner {
        Some(owner) => {
            format!(
                "delete the Pod, so that {owner} makes it again: kubectl -n {namespace} delete pod {name}"
            )
        }
        None => format!(
            "delete the Pod and make it again, for nothing else does: kubectl -n {namespace} delete pod {name}"
        ),
    }
}

fn start_controller() -> String {
    format!("see why no controller runs: kubectl -n {SYSTEM_NAMESPACE} get pods")
}

/// The Pod does not refer to the Secret that exists for it.
pub(super) fn not_listed(facts: &Facts, asked: &AskedFor, secret: &str) -> Problem {
    let pod = &facts.pod;
    let lacks = format!("the Pod does not refer to {secret}");
    if pod.mirror {
        return Problem::new(
            "StaticPod",
            format!("{lacks}: it mirrors a static Pod, which can refer to no Secret"),
            format!(
                "give node {} a credential of its own, or let the API server run the Pod",
                pod.node.as_deref().unwrap_or("?")
            ),
        );
    }
    if pod.opted_out {
        return Problem::new(
            "OptedOut",
            format!("{lacks}: its annotation {INJECT_ANNOTATION} is \"false\", which keeps the policy away"),
            format!(
                "take the annotation {INJECT_ANNOTATION} off {}, and make the Pod again",
                pod.owner
                    .as_ref()
                    .map_or("the Pod".to_owned(), |owner| format!("the Pod's template (see {owner})"))
            ),
        );
    }
    let account = facts.account.known().and_then(Option::as_ref);
    if account.is_some_and(|it| it.enforces && !it.references.iter().any(|it| it == secret)) {
        let name = &pod.account;
        return Problem::new(
            "MountableSecretsEnforced",
            format!("{lacks}: its ServiceAccount {name} allows no Secrets but those that it lists"),
            format!("add {secret} to imagePullSecrets of ServiceAccount {name}, and make the Pod again"),
        );
    }
    let refers = account.is_some_and(|it| it.references.iter().any(|it| it == secret));
    // Created again, it would get its ServiceAccount's references only if it has no list of its own.
    if facts.unreviewed && (!refers || !pod.references.is_empty()) {
        let namespace = &pod.namespace;
        return Problem::new(
            "NamespaceNotReviewed",
            format!(
                "{lacks}: admission is not asked about Pods of namespace {namespace}, which get what their \
                 ServiceAccount refers to, and that only where they bring no list"
            ),
            format!(
                "add {secret} to imagePullSecrets of the Pod (of its template, where it has one), or have {namespace} \
                 taken out of the chart's webhook.excludedNamespaces; then make the Pod again"
            ),
        );
    }
    if let Some(why) =
        asked.refusal("ServiceAccount", &pod.namespace, &pod.account).filter(|_| account.is_some() && !refers)
    {
        let message = format!("{lacks}, because its ServiceAccount {} does not", pod.account);
        return write_refused("ReferenceRefused", &message, why, ". Then make the Pod again");
    }
    let why = match (pod.created, asked.created) {
        (Some(pod), Some(asked_at)) if pod < asked_at => {
            format!("it was made before ImagePullSecret {}", asked.name)
        }
        _ => "it was made while admission was away, or before its ServiceAccount referred to it".to_owned(),
    };
    let message = format!("{lacks}: {why}, and a Pod's list never changes");
    Problem::new("ReferenceMissing", message, make_again(facts))
}

/// The Pod's credential is limited to registry namespaces, and the image is in none of them. `elsewhere` is
/// why an ImagePullSecret that may pull it does not select the Pod.
pub(super) fn registry_namespace_lacking(
    facts: &Facts,
    asked: &AskedFor,
    image: &str,
    elsewhere: Option<&str>,
) -> Problem {
    let name = &asked.name;
    let said = lacks(name, image);
    // The remedy for a Pod's author is printed here in full.
    let why = said.split_once("; ").map_or(said.as_str(), |(why, _)| why);
    let to_do = match registry_namespace_of(image) {
        Some(namespace) => {
            format!("add {namespace} to registryNamespaces of ImagePullSecret {name}, or correct the image")
        }
        None => "correct the image".to_owned(),
    };
    let message = match elsewhere {
        Some(elsewhere) => format!("no credential for the Pod may pull it: {why}; {elsewhere}"),
        None => format!("no credential for the Pod may pull it: {why}"),
    };
    let again = then_again(facts, &derived_secret_name(name));
    Problem::new("RegistryNamespaceLacking", message, format!("{to_do}{again}"))
}

/// The Secret that the Pod needs does not exist.
pub(super) fn secret_missing(case: &Case<'_>, asked: &AskedFor, is_away: bool) -> Problem {
    let (secret, namespace) = (derived_secret_name(&asked.name), &case.facts.pod.namespace);
    let message = format!("there is no Secret {secret} in namespace {namespace}");
    if is_away {
        let message = format!("{message}, and no controller runs that would write it");
        return Problem::new("ControllerAway", message, start_controller());
    }
    if let Some(why) = asked.refusal("Secret", namespace, &secret) {
        return write_refused("SecretRefused", &message, why, "");
    }
    Problem::new(
        "SecretMissing",
        message,
        format!(
            "wait a minute: the controller writes it; if it does not, see why: kubectl describe imagepullsecret {}",
            asked.name
        ),
    )
}

/// The API server refuses the controller's write.
fn write_refused(reason: &'static str, message: &str, why: &str, then: &str) -> Problem {
    Problem::new(
        reason,
        format!("{message}: the API server refuses it to the controller: {why}"),
        Who::Platform.asks(&format!(
            "mend what refuses it (a quota, a policy, a webhook); the controller tries again within a minute{then}"
        )),
    )
    .of(Who::Platform)
}

/// A Secret of the name exists, and is not as it should be.
pub(super) fn secret_useless(
    case: &Case<'_>,
    asked: &AskedFor,
    found: &SecretFacts,
    is_away: bool,
) -> Problem {
    let (secret, namespace) = (derived_secret_name(&asked.name), &case.facts.pod.namespace);
    let host = &case.host;
    let what = match &found.content {
        Content::Logins(_) if found.is_for(case.text) => "its credential is refused".to_owned(),
        Content::Logins(_) => format!("it has no credential for {host}"),
        Content::Ignored(why) | Content::Broken(why) => why.clone(),
    };
    if !found.is_ours {
        return Problem::new(
            "SecretForeign",
            format!("the Secret {secret} in namespace {namespace} is not the controller's, and {what}"),
            format!(
                "delete it (kubectl -n {namespace} delete secret {secret}), after which the controller writes its own within \
                 five minutes; or let ImagePullSecret {} take it over with spec.conflictPolicy",
                asked.name
            ),
        );
    }
    if is_away {
        let message = format!("the Secret {secret}: {what}, and no controller runs that would mend it");
        return Problem::new("ControllerAway", message, start_controller());
    }
    match &found.edited_by {
        Some(editor) => Problem::new(
            "SecretEdited",
            format!("the Secret {secret} was changed by {editor}, and {what}"),
            format!(
                "stop {editor} from changing it; the controller mends it, ever more slowly while it is changed back: \
                 kubectl describe imagepullsecret {}",
                asked.name
            ),
        ),
        None => Problem::new(
            "SecretBehind",
            format!("the Secret {secret}: {what}"),
            format!("wait a minute; if it stays so: kubectl describe imagepullsecret {}", asked.name),
        ),
    }
}

/// The controller reports that the credential is not valid.
pub(super) fn credential_invalid(asked: &AskedFor, condition: &Condition) -> Problem {
    let Condition { reason, message, .. } = condition;
    Problem::new(
        "CredentialInvalid",
        format!("ImagePullSecret {} has no valid credential ({reason}): {message}", asked.name),
        format!("mend what its condition CredentialValid says: {message}"),
    )
}

/// The registry refuses the credential, which the controller reports as valid.
pub(super) fn credential_refused(asked: &AskedFor, secret: &str, why: &str, is_away: bool) -> Problem {
    let message = format!("the registry refuses the credential of Secret {secret}: {why}");
    if is_away {
        let message = format!("{message}; no controller runs that would replace it");
        return Problem::new("ControllerAway", message, start_controller());
    }
    let to_do = match &asked.spec.docker {
        Some(_) => format!("correct the password of ImagePullSecret {}", asked.name),
        None => format!(
            "wait: the controller asks the registry every ten minutes, and replaces what it refuses (at once: kubectl -n \
             {SYSTEM_NAMESPACE} rollout restart deployment/{CONTROLLER_DEPLOYMENT}); if it does not: kubectl describe \
             imagepullsecret {}",
            asked.name
        ),
    };
    Problem::new("CredentialRefused", message, to_do)
}

/// A registry that no Secret of the Pod is for, and no known ImagePullSecret.
pub(super) fn no_credential(facts: &Facts, host: &str, why: &str) -> Problem {
    let reason = "NoCredential";
    match facts.asked.missing() {
        None => Problem::new(
            reason,
            format!("no Secret of the Pod is for {host}, and no ImagePullSecret: {why}"),
            format!("make a pull secret for {host} and refer to it in the Pod, or correct the image's host"),
        ),
        Some(missing) => Problem::new(
            reason,
            format!(
                "no Secret of the Pod is for {host} ({why}), and ImagePullSecrets could not be read: {missing}"
            ),
            format!(
                "ask who runs the cluster whether an ImagePullSecret is for {host}, the namespace {} and the \
                 ServiceAccount {}",
                facts.pod.namespace, facts.pod.account
            ),
        ),
    }
}

/// The list of an existing Pod never changes, so an ephemeral container cannot get the Secret; a copy is a
/// new Pod.
pub(super) fn debug_a_copy(facts: &Facts, image: &str) -> String {
    let (namespace, name) = (&facts.pod.namespace, &facts.pod.name);
    format!(
        "debug a copy of the Pod, which gets the Secret when it is made: kubectl -n {namespace} debug {name} -it \
         --image={image} --copy-to={name}-debug"
    )
}

/// A needed fact that is not known.
pub(super) fn not_known<T>(what: &str, seen: &Seen<T>) -> Option<String> {
    seen.missing().map(|why| format!("{what}: {why}"))
}
