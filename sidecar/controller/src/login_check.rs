//! Tries a login of an ImagePullSecret at its registry.

use tcr::docker_config::DockerConfig;
use tcr::registry_host::RegistryHost;

use distribution::Content;
use registry_client::{Checker, Verdict};

/// The registry's verdict on the login in a Secret's bytes.
pub(super) async fn check(registry: Option<&Checker>, content: Option<&Content>) -> Verdict {
    let unknown = |reason: &str| Verdict::Unknown { reason: reason.to_owned() };
    let Some(registry) = registry else { return unknown("registries are not to be asked") };
    let Some(content) = content else { return unknown("the login was replaced meanwhile") };
    let Ok(logins) = DockerConfig::logins(content.bytes()) else {
        return unknown("the docker configuration cannot be read");
    };
    // A key with a registry namespace has a host too.
    let hosts = DockerConfig::hosts(content.bytes()).unwrap_or_default();
    let hosts: Vec<RegistryHost> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    // All hosts belong to one registry, and have the same login.
    match logins.into_values().next() {
        Some(login) => registry.check(&hosts, &login.username, &login.password).await,
        None => unknown("the docker configuration names no host"),
    }
}
