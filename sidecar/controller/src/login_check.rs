//! A registry is asked about a login that an ImagePullSecret itself gives.

use tcr::docker_config::DockerConfig;
use tcr::registry_host::RegistryHost;

use distribution::Content;
use registry_client::{Checker, Verdict};

/// What the registry says to the login that a Secret's bytes hold.
pub(super) async fn check(registry: Option<&Checker>, content: Option<&Content>) -> Verdict {
    let unknown = |reason: &str| Verdict::Unknown { reason: reason.to_owned() };
    let Some(registry) = registry else { return unknown("registries are not to be asked") };
    let Some(content) = content else { return unknown("the login was replaced meanwhile") };
    let Ok(logins) = DockerConfig::logins(content.bytes()) else {
        return unknown("the docker configuration cannot be read");
    };
    // Keys of namespaces have hosts too.
    let hosts = DockerConfig::hosts(content.bytes()).unwrap_or_default();
    let hosts: Vec<RegistryHost> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    // All hosts are of one registry, and have the same login.
    match logins.into_values().next() {
        Some(login) => registry.check(&hosts, &login.username, &login.password).await,
        None => unknown("the docker configuration names no host"),
    }
}
