//! A host that no ImagePullSecret is for.

use tcr::names::TCR_ROOT_DOMAIN;
use tcr::registry_host::RegistryHost;
use tcr::rules::nearest;

use super::super::facts::AskedFor;
use super::super::findings::Problem;
use super::Case;

impl Case<'_> {
    /// The host is none of those that ImagePullSecrets are for, and looks as if it should be.
    pub(super) fn unknown_host(&self) -> Option<Problem> {
        let host = &self.image.as_ref().ok()?.host;
        let all = self.facts.asked.known()?;
        let known: Vec<(&AskedFor, RegistryHost)> = all
            .iter()
            .flat_map(|asked| asked.hosts.iter().filter_map(move |host| Some((asked, host.parse().ok()?))))
            .collect();
        for (asked, other) in &known {
            let twin = if other.vpc().as_ref() == Some(host) {
                "vpc"
            } else if host.vpc().as_ref() == Some(other) {
                "default"
            } else {
                continue;
            };
            return Some(Problem::new(
                "DomainNotListed",
                format!(
                    "ImagePullSecret {} is for {other}, and not for {host}, the {twin} domain of the same instance",
                    asked.name
                ),
                format!("add {twin} to spec.tcr.domains of ImagePullSecret {}", asked.name),
            ));
        }
        let names: Vec<&str> = known.iter().map(|(_, host)| host.as_str()).collect();
        if let Some(near) = nearest_host(host.as_str(), &names) {
            return Some(Problem::new(
                "RegistryUnknown",
                format!("no ImagePullSecret is for {host}; the nearest registry is {near}"),
                format!("correct the image's host to {near}, and make the Pod again"),
            ));
        }
        host.is_under(TCR_ROOT_DOMAIN).then(|| {
            let others = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("they are for {}", names.join(", "))
            };
            Problem::new(
                "RegistryUnknown",
                format!("no ImagePullSecret is for {host}: {others}"),
                format!("make an ImagePullSecret for the instance of {host}, or correct the image's host"),
            )
        })
    }
}

/// The known host that is meant: under the same domain one with a label like it, else one that is like it as a whole.
fn nearest_host<'a>(host: &str, known: &[&'a str]) -> Option<&'a str> {
    let (label, domain) = host.split_once('.')?;
    let beside = known.iter().filter_map(|it| it.split_once('.').filter(|(_, other)| *other == domain));
    let labels: Vec<&str> = beside.map(|(label, _)| label).collect();
    if let Some(near) = nearest(label, &labels) {
        return known.iter().find(|it| it.split_once('.') == Some((near, domain))).copied();
    }
    let elsewhere: Vec<&str> =
        known.iter().copied().filter(|it| it.split_once('.').is_none_or(|(_, it)| it != domain)).collect();
    // A third of a long name may be wrong to be near, which is another name here.
    nearest(host, &elsewhere)
        .filter(|it| it.split('.').next() == Some(label) || it.len().abs_diff(host.len()) <= 2)
}
