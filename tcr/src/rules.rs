//! The rules that an ImagePullSecret obeys. Admission refuses what breaks them, and the controller
//! reports the same object with the same words, because both ask here.

use std::fmt;

use serde::Serialize;

use crate::image_pull_secret::ImagePullSecretSpec;
use crate::label_selector::LabelSelector;
use crate::name_list::NameList;
use crate::names::{PERSONAL_EDITION_ROOT_DOMAIN, SECRET_PREFIX, derived_secret_name};
use crate::object_name::subdomain_problem;
use crate::quoted::quoted;
use crate::registry_host::RegistryHost;

mod docker;
mod instance;
mod nearest;
mod reading;
mod service_account;

pub use nearest::nearest;
pub use reading::read;

/// What the rules need to know besides the object. By default nothing is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleContext<'a> {
    /// Root domains that registry hosts must be under, such as `tencentcloudcr.com`.
    pub allowed_roots: &'a [String],
    /// Root domains that `spec.tcr.aliases` may be under besides.
    pub allowed_aliases: &'a [String],
    /// Roles that `spec.tcr.roleArn` may name.
    pub allowed_roles: &'a [String],
    /// The cluster's id (`cls-...`), which the default description of a credential names.
    pub cluster_id: Option<&'a str>,
    /// Whether a missing cluster id makes a description necessary; false when the caller cannot
    /// know the id.
    pub description_required: bool,
    /// The region that the cluster is in; none where nobody knows, or where it is told elsewhere.
    pub cluster_region: Option<&'a str>,
}

/// What it costs that the instance is in another region than the cluster; none where it is not.
pub fn crosses_regions(instance: &str, cluster: &str) -> Option<String> {
    (instance != cluster).then(|| {
        format!(
            "is {} and the cluster is in {cluster}: pulls cross regions; use an instance of the cluster's region, or one \
             that is replicated to it",
            quoted(instance)
        )
    })
}

/// Everything that is wrong or worth a warning, each in the order of the object's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What must be corrected.
    pub errors: Vec<Finding>,
    /// What works, and should be known.
    pub warnings: Vec<Finding>,
}

/// One mistake or warning. Never holds a password, whatever the object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Path of the field, such as `spec.tcr.instanceId` or `spec.tcr.domains[1]`.
    pub field: String,
    /// What is wrong with its value and what to do.
    pub message: String,
}

impl Findings {
    /// Whether nothing must be corrected; there may be warnings.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there are so many mistakes that no more are looked for, which is said.
    fn is_full(&mut self, field: &str) -> bool {
        if self.errors.len() == MOST_ERRORS {
            self.error(field, format!("more than {MOST_ERRORS} mistakes in all; correct the others first"));
        }
        self.errors.len() > MOST_ERRORS
    }

    fn error(&mut self, field: impl Into<String>, message: impl Into<String>) {
        push(&mut self.errors, field.into(), message.into());
    }

    fn warning(&mut self, field: impl Into<String>, message: impl Into<String>) {
        push(&mut self.warnings, field.into(), message.into());
    }
}

/// Once, and not at each place that finds something: that is a kilobyte of wasm.
#[inline(never)]
fn push(findings: &mut Vec<Finding>, field: String, message: String) {
    findings.push(Finding { field, message });
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl fmt::Display for Findings {
    /// The errors, joined by semicolons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Mistakes that are told at once; who makes more corrects these first, and telling all of them would cost more than
/// reading the object.
const MOST_ERRORS: usize = 20;

/// Bytes of a list of names: a thousand of the longest names of namespaces. A user who may write ImagePullSecrets would
/// else decide what each review and each reconciliation costs.
const MAX_LIST_BYTES: usize = 65_536;
/// Labels and values of a selector, for the same reason.
const MAX_SELECTOR_ITEMS: usize = 1024;

/// Finds every mistake of the ImagePullSecret `name` at once, up to twenty.
pub fn check(name: &str, spec: &ImagePullSecretSpec, context: &RuleContext) -> Findings {
    let mut findings = Findings::default();
    check_name(name, &mut findings);
    check_namespaces(&spec.namespaces, &mut findings);
    check_list("spec.serviceAccounts", &spec.service_accounts, &mut findings);
    if let Some(selector) = &spec.namespace_selector {
        check_selector(selector, &mut findings);
    }
    match (&spec.docker, &spec.tcr) {
        (None, None) => findings.error(
            "spec",
            "neither docker nor tcr is set; set tcr for an instance whose credential is obtained, or docker for \
             a credential of your own",
        ),
        (Some(_), Some(_)) => findings.error("spec", "both docker and tcr are set; keep one of them"),
        _ => {}
    }
    if let Some(docker) = &spec.docker {
        docker::check(docker, context, &mut findings);
    }
    if let Some(tcr) = &spec.tcr {
        instance::check(tcr, context, &mut findings);
    }
    findings
}

fn check_name(name: &str, findings: &mut Findings) {
    let longest = 253 - SECRET_PREFIX.len();
    if name.is_empty() {
        findings.error("metadata.name", "is empty; the Secret is named after it");
    } else if name.len() > longest {
        let message = format!(
            "has {} characters, and {longest} are allowed, because the Secret's name begins with {SECRET_PREFIX}",
            name.len()
        );
        findings.error("metadata.name", message);
    } else if let Some(problem) = subdomain_problem(name).or(subdomain_problem(&derived_secret_name(name))) {
        findings.error("metadata.name", format!("{} {problem}", quoted(name)));
    }
}

fn check_namespaces(text: &str, findings: &mut Findings) {
    let field = "spec.namespaces";
    let Some(list) = check_list(field, text, findings) else { return };
    for pattern in list.patterns() {
        if findings.warnings.len() == MOST_ERRORS {
            findings.warning(field, "more than that matches no namespace");
            break;
        }
        let longest = pattern.bytes().filter(|&byte| byte != b'*').count();
        if pattern.contains('.') {
            findings.warning(
                field,
                format!("{} matches no namespace, because their names have no dots", quoted(pattern)),
            );
        } else if longest > 63 {
            let message = format!(
                "{} matches no namespace, because their names have at most 63 characters",
                quoted(pattern)
            );
            findings.warning(field, message);
        }
    }
}

fn check_selector(selector: &LabelSelector, findings: &mut Findings) {
    let field = "spec.namespaceSelector";
    let values: usize =
        selector.match_expressions.iter().map(|requirement| 1 + requirement.values.len()).sum();
    let items = selector.match_labels.len() + values;
    if items > MAX_SELECTOR_ITEMS {
        let message = format!(
            "has {items} labels and values, and at most {MAX_SELECTOR_ITEMS} are allowed; give the namespaces one \
             label that says the same"
        );
        return findings.error(field, message);
    }
    for (path, message) in selector.problems() {
        if findings.is_full(field) {
            break;
        }
        findings.error(format!("{field}.{path}"), message);
    }
}

fn check_list(field: &str, text: &str, findings: &mut Findings) -> Option<NameList> {
    if text.len() > MAX_LIST_BYTES {
        let message = format!(
            "has {} bytes, and at most {MAX_LIST_BYTES} are allowed; select by a glob or by namespaceSelector",
            text.len()
        );
        findings.error(field, message);
        return None;
    }
    match text.parse::<NameList>() {
        Ok(list) => {
            if list.uses_underscore() {
                findings.warning(field, "\"_\" is read as \"*\", which means all; write \"*\"");
            }
            if list.is_none() {
                findings
                    .warning(field, format!("{} excludes everything, so nothing is selected", quoted(text)));
            }
            Some(list)
        }
        Err(error) => {
            findings.error(field, error.to_string());
            None
        }
    }
}

/// What a host is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HostKind {
    /// A registry, which may have a port.
    Registry,
    /// A cache or mirror of an instance, which may be under roots of its own.
    Alias,
    /// A name in hosts files, whose entries have no ports.
    HostsEntry,
}

/// Adds what is wrong with a host that must be under one of the roots that the operator allows.
fn check_host(field: &str, host: &str, kind: HostKind, context: &RuleContext, findings: &mut Findings) {
    let (setting, besides) = match kind {
        HostKind::Alias => ("allowedAliases", context.allowed_aliases),
        HostKind::Registry | HostKind::HostsEntry => ("allowedRoots", [].as_slice()),
    };
    let parsed = match host.parse::<RegistryHost>() {
        Ok(parsed) => parsed,
        Err(error) => return findings.error(field, error.to_string()),
    };
    // By hand: a list of both, joined, is half a kilobyte of wasm.
    let mut named = String::new();
    for root in context.allowed_roots.iter().chain(besides) {
        if parsed.is_under(root) {
            return;
        }
        named.push_str(if named.is_empty() { "under " } else { " or " });
        named.push_str(root);
    }
    // It has a value of its own in the chart, for what is said of it there.
    let setting = if parsed.is_under(PERSONAL_EDITION_ROOT_DOMAIN) { "personalEdition" } else { setting };
    let message = match named.is_empty() {
        true => format!("{} is not allowed, because no root domain is ({setting})", quoted(host)),
        false => format!("{} is not {named}; correct it, or allow its root domain ({setting})", quoted(host)),
    };
    findings.error(field, message);
}

#[cfg(test)]
mod tests;
