//! Why an ImagePullSecret selects a Pod, or does not. Pure.

use std::collections::BTreeMap;

use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::derived_secret_name;
use tcr::selection::Selection;

use super::facts::{AskedFor, Facts};
use super::findings::Problem;
use crate::reader::Seen;

/// Whether an ImagePullSecret selects a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// It is.
    Yes,
    /// It is not.
    No(Problem),
    /// The namespace's labels decide, and could not be read.
    Unknown(String),
}

/// What has to follow where the Pod lacks the reference, because its list never changes.
pub(super) fn then_again(facts: &Facts, secret: &str) -> &'static str {
    let is_made = !facts.pod.name.is_empty();
    let lacks = !facts.pod.references.iter().any(|it| it == secret);
    if is_made && lacks { "; then make the Pod again" } else { "" }
}

/// Whether the ImagePullSecret selects the Pod.
pub(super) fn selected(asked: &AskedFor, facts: &Facts) -> Selected {
    let (name, namespace, account) = (&asked.name, &facts.pod.namespace, &facts.pod.account);
    let again = then_again(facts, &derived_secret_name(name));
    let no = |reason, message: String, to_do: String| {
        Selected::No(Problem::new(reason, message, format!("{to_do}{again}")))
    };
    if asked.deleting {
        let to_do = format!("make the ImagePullSecret {name} again, or another one for this registry");
        return no("ImagePullSecretDeleting", format!("ImagePullSecret {name} is being deleted"), to_do);
    }
    let selection = match Selection::of(&asked.spec) {
        Ok(selection) => selection,
        Err(error) => {
            let message = format!("ImagePullSecret {name} selects nothing: {error}");
            return no("InvalidImagePullSecret", message, format!("correct ImagePullSecret {name}: {error}"));
        }
    };
    let ImagePullSecretSpec { namespaces, service_accounts, .. } = &asked.spec;
    if selection.namespaces.excludes(namespace) {
        return no(
            "NamespaceExcluded",
            format!(
                "ImagePullSecret {name} excludes the namespace {namespace}: spec.namespaces is {namespaces:?}"
            ),
            format!(
                "take the exclusion of {namespace} out of spec.namespaces of ImagePullSecret {name}, or run the Pod in \
                 another namespace"
            ),
        );
    }
    if !selection.namespaces.selects(namespace) {
        return no(
            "NamespaceNotSelected",
            format!(
                "ImagePullSecret {name} does not select the namespace {namespace}: spec.namespaces is {namespaces:?}"
            ),
            format!("add {namespace} to spec.namespaces of ImagePullSecret {name}"),
        );
    }
    if selection.needs_namespace_labels() {
        let empty = BTreeMap::new();
        let labels = match &facts.labels {
            Seen::Known(labels) => labels,
            _ => &empty,
        };
        match facts.labels.missing() {
            Some(why) => {
                return Selected::Unknown(format!(
                    "whether ImagePullSecret {name} selects the namespace {namespace} depends on its labels: {why}"
                ));
            }
            None if !selection.selects_namespace(namespace, labels) => {
                return no(
                    "NamespaceNotSelected",
                    format!(
                        "ImagePullSecret {name} does not select the namespace {namespace}: its labels do not match \
                         spec.namespaceSelector"
                    ),
                    format!(
                        "label the namespace {namespace} as spec.namespaceSelector of ImagePullSecret {name} says"
                    ),
                );
            }
            None => {}
        }
    }
    if selection.service_accounts.excludes(account) {
        return no(
            "ServiceAccountExcluded",
            format!(
                "ImagePullSecret {name} excludes the ServiceAccount {account}: spec.serviceAccounts is {service_accounts:?}"
            ),
            format!(
                "give the Pod another ServiceAccount, or take the exclusion of {account} out of spec.serviceAccounts of \
                 ImagePullSecret {name}"
            ),
        );
    }
    if !selection.selects_service_account(account) {
        return no(
            "ServiceAccountNotSelected",
            format!(
                "ImagePullSecret {name} does not select the ServiceAccount {account}: spec.serviceAccounts is \
                 {service_accounts:?}"
            ),
            format!("add {account} to spec.serviceAccounts of ImagePullSecret {name}"),
        );
    }
    Selected::Yes
}

impl Selected {
    /// The answer in a few words.
    pub(super) fn says(&self, asked: &AskedFor) -> String {
        match self {
            Self::Yes => {
                let all = |list: &str| if list.is_empty() { "*".to_owned() } else { list.to_owned() };
                let ImagePullSecretSpec { namespaces, service_accounts, namespace_selector, .. } =
                    &asked.spec;
                let labels = namespace_selector.as_ref().map_or("", |_| " with the labels it asks for");
                let pulls = match asked.spec.registry_namespaces() {
                    [] => String::new(),
                    some => format!("; pulls from registry namespaces {}", some.join(", ")),
                };
                format!(
                    "for namespaces {:?}{labels} and ServiceAccounts {:?}{pulls}",
                    all(namespaces),
                    all(service_accounts)
                )
            }
            Self::No(problem) => problem.message.clone(),
            Self::Unknown(why) => why.clone(),
        }
    }
}
