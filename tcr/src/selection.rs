//! Which namespaces and ServiceAccounts an ImagePullSecret is for. Policy and controller both
//! select with this, and so select the same.

use std::collections::BTreeMap;

use crate::image_pull_secret::ImagePullSecretSpec;
use crate::label_selector::LabelSelector;
use crate::name_list::{NameList, NameListError};

/// The namespaces and ServiceAccounts of an ImagePullSecret. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The names of the namespaces.
    pub namespaces: NameList,
    /// The names of the ServiceAccounts.
    pub service_accounts: NameList,
    /// Limits `namespaces` further, by the labels of the Namespace.
    pub namespace_selector: Option<LabelSelector>,
}

/// Which field holds a list that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {source}")]
pub struct SelectionError {
    /// The field: `spec.namespaces` or `spec.serviceAccounts`.
    pub field: &'static str,
    /// The bad element and what is wrong with it.
    pub source: NameListError,
}

impl Selection {
    /// The selection of `spec`, or its first list that cannot be parsed. [`crate::rules::check`] validates
    /// the label selector; an invalid one selects nothing.
    pub fn of(spec: &ImagePullSecretSpec) -> Result<Selection, SelectionError> {
        let list = |field, text: &str| text.parse().map_err(|source| SelectionError { field, source });
        Ok(Selection {
            namespaces: list("spec.namespaces", &spec.namespaces)?,
            service_accounts: list("spec.serviceAccounts", &spec.service_accounts)?,
            namespace_selector: spec.namespace_selector.clone(),
        })
    }

    /// Whether the namespace with this name and these labels is selected. The labels do not
    /// matter unless [`Selection::needs_namespace_labels`] says so.
    pub fn selects_namespace(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.selects_labelled(name, |key| labels.get(key).map(String::as_str))
    }

    /// The same of a namespace whose labels are kept in another form; `label` gives the value of a key.
    pub fn selects_labelled<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        // The name first: it is cheap, and most often says no.
        self.namespaces.selects(name)
            && self.namespace_selector.as_ref().is_none_or(|selector| selector.matches_values(label))
    }

    /// Whether a ServiceAccount may be selected by both, for any possible namespaces. True where that cannot
    /// be decided.
    pub fn may_meet(&self, other: &Self) -> bool {
        let selectors = self.namespace_selector.as_ref().zip(other.namespace_selector.as_ref());
        let differ = selectors.is_some_and(|(own, others)| {
            let differs =
                |(key, value): (&String, &String)| others.match_labels.get(key).is_some_and(|it| it != value);
            own.match_labels.iter().any(differs)
        });
        !differ
            && self.namespaces.may_meet(&other.namespaces)
            && self.service_accounts.may_meet(&other.service_accounts)
    }

    /// Whether ServiceAccounts of this name are selected, in selected namespaces.
    pub fn selects_service_account(&self, name: &str) -> bool {
        self.service_accounts.selects(name)
    }

    /// Whether a namespace's labels decide, so that they have to be read.
    pub fn needs_namespace_labels(&self) -> bool {
        self.namespace_selector.as_ref().is_some_and(|selector| !selector.is_empty())
    }
}

#[cfg(test)]
mod tests;
