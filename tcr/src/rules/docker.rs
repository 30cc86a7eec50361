//! Rules of `spec.docker`, the static credential.

use super::{Findings, HostKind, RuleContext, check_host};
use crate::image_pull_secret::{Docker, SecretKeyRef};
use crate::names::PERSONAL_EDITION_ROOT_DOMAIN;
use crate::object_name::{data_key_problem, subdomain_problem};
use crate::quoted::quoted;
use crate::registry_host::RegistryHost;

pub(super) fn check(docker: &Docker, context: &RuleContext, findings: &mut Findings) {
    if docker.server.is_empty() {
        findings.error(
            "spec.docker.server",
            "is empty; name the registry's host, such as demo.tencentcloudcr.com",
        );
    } else {
        check_host("spec.docker.server", &docker.server, HostKind::Registry, context, findings);
        if docker.server.parse::<RegistryHost>().is_ok_and(|host| host.is_under(PERSONAL_EDITION_ROOT_DOMAIN))
        {
            findings.warning(
                "spec.docker.server",
                "has TKE's own system images too: with a wrong password a node cannot pull them either, for kubelets do \
                 not fall back to anonymous; leave kube-system out of spec.namespaces",
            );
        }
        if let Some(host) = docker.server.strip_suffix(":443") {
            let host = quoted(host);
            findings.warning(
                "spec.docker.server",
                format!("is for images with :443 only, for kubelets compare ports as they are written; write {host}"),
            );
        }
    }
    check_username(&docker.username, findings);
    match (docker.password.is_empty(), &docker.password_secret_ref) {
        (true, None) => findings.error(
            "spec.docker",
            "neither password nor passwordSecretRef is set; set passwordSecretRef to a Secret that holds the password",
        ),
        (false, Some(_)) => {
            findings.error("spec.docker", "both password and passwordSecretRef are set; keep passwordSecretRef");
        }
        (false, None) => {
            findings.warning(
                "spec.docker.password",
                "is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and \
                 name that in passwordSecretRef",
            );
            check_password(docker.password.expose(), findings);
        }
        (true, Some(_)) => {}
    }
    if let Some(reference) = &docker.password_secret_ref {
        check_reference(reference, findings);
    }
}

fn check_username(username: &str, findings: &mut Findings) {
    let field = "spec.docker.username";
    if username.trim().is_empty() {
        findings.error(field, "is empty; name the user that the password belongs to");
    } else if username.contains(':') {
        // RFC 7617: user name and password are joined by the first colon. The value may well be
        // "user:password", so it is not repeated.
        findings
            .error(field, "contains a colon, which separates it from the password; give the user name alone");
    } else if username.contains(char::is_control) {
        findings.error(field, format!("{} contains a control character", quoted(username)));
    } else if username.trim() != username {
        findings.warning(field, format!("{} begins or ends with a blank", quoted(username)));
    }
}

/// A line break comes along easily when a password is copied or encoded, and never belongs.
fn check_password(password: &str, findings: &mut Findings) {
    if password.trim() != password {
        findings.warning("spec.docker.password", "begins or ends with a blank or a line break");
    }
}

fn check_reference(reference: &SecretKeyRef, findings: &mut Findings) {
    if let Some(problem) = subdomain_problem(&reference.name) {
        findings.error("spec.docker.passwordSecretRef.name", described(&reference.name, &problem));
    }
    if let Some(problem) = data_key_problem(&reference.key) {
        findings.error("spec.docker.passwordSecretRef.key", described(&reference.key, &problem));
    }
}

fn described(value: &str, problem: &str) -> String {
    if value.is_empty() { problem.to_owned() } else { format!("{} {problem}", quoted(value)) }
}
