//! Rules of `spec.tcr.credential` with `type: serviceAccount`: what an account of the instance may pull, and how long it
//! lives.

use core::time::Duration;

use super::Findings;
use crate::go_duration;
use crate::image_pull_secret::{CredentialKind, CredentialSpec};
use crate::quoted::quoted;

/// Registry namespaces of one account: the schema's own limit.
const MAX_NAMESPACES: usize = 32;
/// Shortest and longest name of a registry namespace.
const NAME: (usize, usize) = (2, 30);
/// TCR counts an account's life in days.
const SHORTEST_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// What a service account has, or what only a service account may have.
pub(super) fn check(credential: &CredentialSpec, findings: &mut Findings) {
    if credential.kind != CredentialKind::ServiceAccount {
        check_absent(credential, findings);
        return;
    }
    check_namespaces(&credential.registry_namespaces, findings);
    if let Some(text) = &credential.validity {
        check_validity(text, findings);
    }
    if let Some(text) = &credential.rotate_after {
        let message = format!(
            "{} is for longterm credentials only, a service account is renewed at half its validity; set validity \
             instead",
            quoted(text)
        );
        findings.error("spec.tcr.credential.rotateAfter", message);
    }
}

fn check_absent(credential: &CredentialSpec, findings: &mut Findings) {
    let set = [
        ("registryNamespaces", !credential.registry_namespaces.is_empty()),
        ("validity", credential.validity.is_some()),
        ("shared", credential.shared.is_some()),
    ];
    for (field, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        let message = "is for serviceAccount credentials only; set type to serviceAccount, or leave it out";
        findings.error(format!("spec.tcr.credential.{field}"), message);
    }
}

fn check_namespaces(names: &[String], findings: &mut Findings) {
    let field = "spec.tcr.credential.registryNamespaces";
    if names.is_empty() {
        findings.error(
            field,
            "is empty; name the registry namespaces that the service account may pull from, such as team-a",
        );
    }
    if names.len() > MAX_NAMESPACES {
        let message = format!(
            "has {} names, and at most {MAX_NAMESPACES} are allowed; use an ImagePullSecret for each group of them",
            names.len()
        );
        findings.error(field, message);
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let item = format!("{field}[{index}]");
        if names[..index].contains(name) {
            findings.error(item, format!("{} is there twice; keep one", quoted(name)));
        } else if let Some(problem) = problem(name) {
            findings.error(item, format!("{} {problem}", quoted(name)));
        }
    }
}

/// What is wrong with the name of a registry namespace, and what to write.
fn problem(name: &str) -> Option<String> {
    let (shortest, longest) = NAME;
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.contains('*') {
        return Some("is a wildcard; name each registry namespace that may be pulled from".to_owned());
    }
    if name.contains(':') {
        return Some(
            "names an action, and a service account made here may pull and nothing else; write the registry \
             namespace alone"
                .to_owned(),
        );
    }
    if let Some((namespace, _)) = name.split_once('/') {
        return Some(format!(
            "names a repository, and rights are by registry namespace; write {}",
            quoted(namespace)
        ));
    }
    let length = name.chars().count();
    if !(shortest..=longest).contains(&length) {
        return Some(format!(
            "has {length} characters, and a registry namespace has {shortest} to {longest}"
        ));
    }
    (!name.split(['.', '_', '-']).all(is_word)).then(|| {
        "is not a registry namespace: lower-case letters, digits, and single . _ - between them".to_owned()
    })
}

fn check_validity(text: &str, findings: &mut Findings) {
    let field = "spec.tcr.credential.validity";
    match go_duration::parse(text) {
        Err(error) => findings.error(field, error.to_string()),
        Ok(validity) if validity < SHORTEST_VALIDITY => {
            findings.error(field, format!("{} is too short; the shortest is 24h", quoted(text)));
        }
        Ok(_) => {}
    }
}
