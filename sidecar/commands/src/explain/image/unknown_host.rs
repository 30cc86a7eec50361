//! A host that no ImagePullSecret is for.

use tcr::names::{SECRET_PREFIX, TCR_ROOT_DOMAIN, derived_secret_name};
use tcr::registry_host::RegistryHost;
use tcr::rules::nearest;

use super::super::case::Case;
use super::super::facts::{AskedFor, Content, Facts};
use super::super::findings::Problem;
use super::super::selection::then_again;
use crate::reader::Seen;

impl Case<'_> {
    /// The host belongs to no ImagePullSecret, and looks as if it should: compared with the nearest known
    /// host first, then the Pod's own Secrets, then the instance that no ImagePullSecret asks for.
    pub(super) fn unknown_host(&self) -> Option<Problem> {
        let host = &self.image.as_ref().ok()?.host;
        let known = self.known_hosts()?;
        let is_of_tcr = host.is_under(TCR_ROOT_DOMAIN);
        let own = || self.own_secret().filter(|_| is_of_tcr);
        if let Some(asked) = self.without_wish_for_one() {
            return own().or_else(|| Some(self.left_to_pods(asked)));
        }
        let unlisted = || is_of_tcr.then(|| unlisted_instance(self.facts, host, &known));
        similar_host(self.facts, host, &known).or_else(own).or_else(unlisted)
    }

    /// The ImagePullSecret that is for the host and asks for no credential.
    fn without_wish_for_one(&self) -> Option<&AskedFor> {
        let mut all = self.facts.asked.known()?.iter();
        all.find(|asked| !asked.spec.has_credential() && asked.has_link_for(&self.host))
    }

    fn left_to_pods(&self, asked: &AskedFor) -> Problem {
        let (host, name, namespace) = (&self.host, &asked.name, &self.facts.pod.namespace);
        Problem::new(
            "CredentialNotRequested",
            format!(
                "ImagePullSecret {name} is for {host} and asks for no credential (spec.tcr.credential.type is none), so that \
                 Pods have to bring a pull secret of their own, and this one brings none"
            ),
            format!(
                "make one (kubectl -n {namespace} create secret docker-registry NAME --docker-server={host}) and refer to it \
                 in the Pod's imagePullSecrets, or set spec.tcr.credential.type of ImagePullSecret {name} to longterm"
            ),
        )
    }

    /// The hosts that ImagePullSecrets are for.
    fn known_hosts(&self) -> Option<Vec<(&AskedFor, RegistryHost)>> {
        let all = self.facts.asked.known()?.iter();
        let hosts = all
            .flat_map(|asked| asked.hosts.iter().filter_map(move |host| Some((asked, host.parse().ok()?))));
        Some(hosts.collect())
    }

    /// Why the Pod's own Secrets do not help for this host: the first that does not exist, cannot be read, or
    /// is for something else.
    pub(super) fn own_secret(&self) -> Option<Problem> {
        let (namespace, host) = (&self.facts.pod.namespace, &self.host);
        let make = |name: &str| {
            format!("kubectl -n {namespace} create secret docker-registry {name} --docker-server={host}")
        };
        let own = || self.facts.pod.references.iter().filter(|name| !name.starts_with(SECRET_PREFIX));
        let absent = |name: &&String| matches!(self.facts.secrets.get(*name), Some(Seen::Known(None)));
        if let Some(name) = own().find(absent) {
            return Some(Problem::new(
                "PullSecretNotFound",
                format!("the Pod refers to the Secret {name}, and there is none in namespace {namespace}"),
                format!(
                    "make it ({} and a user name and a password), or correct its name in imagePullSecrets and make the \
                     Pod again",
                    make(name)
                ),
            ));
        }
        let found = || own().filter_map(|name| Some((name, &self.secret(name)?.content)));
        if let Some((name, why)) = found().find_map(|(name, content)| match content {
            Content::Ignored(why) => Some((name, why)),
            Content::Logins(_) | Content::Broken(_) => None,
        }) {
            return Some(Problem::new(
                "PullSecretIgnored",
                format!("the kubelet passes over the Secret {name}: {why}"),
                format!("delete the Secret {name} and make it again as one for pulls: {}", make(name)),
            ));
        }
        found().find_map(|(name, content)| match content {
            Content::Logins(logins) => {
                let key = logins.keys().find(|key| is_like(key, host))?;
                Some(Problem::new(
                    "PullSecretForOther",
                    format!(
                        "the Secret {name} of the Pod is for {key}, and no credential of it is for {}",
                        self.name()
                    ),
                    format!("correct {key} to {host} in the Secret {name}, or correct the image's host"),
                ))
            }
            Content::Ignored(_) | Content::Broken(_) => None,
        })
    }
}

/// Whether a key of a Secret is meant for the host: the same host with a path that does not match the image,
/// or a similar host.
fn is_like(key: &str, host: &str) -> bool {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.split('/').next().unwrap_or_default();
    key == host || nearest_host(host, &[key]).is_some()
}

/// A known host that is similar.
fn similar_host(facts: &Facts, host: &RegistryHost, known: &[(&AskedFor, RegistryHost)]) -> Option<Problem> {
    for (asked, other) in known {
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
            format!(
                "add {twin} to spec.tcr.domains of ImagePullSecret {}{}",
                asked.name,
                then_again(facts, &derived_secret_name(&asked.name))
            ),
        ));
    }
    let names: Vec<&str> = known.iter().map(|(_, host)| host.as_str()).collect();
    let near = nearest_host(host.as_str(), &names)?;
    Some(Problem::new(
        "RegistryUnknown",
        format!("no ImagePullSecret is for {host}; the nearest registry is {near}"),
        format!("correct the image's host to {near}, and make the Pod again"),
    ))
}

/// A host of TCR that no ImagePullSecret asks for.
fn unlisted_instance(facts: &Facts, host: &RegistryHost, known: &[(&AskedFor, RegistryHost)]) -> Problem {
    let names: Vec<&str> = known.iter().map(|(_, host)| host.as_str()).collect();
    let others = match names.is_empty() {
        true => "there is none".to_owned(),
        false => format!("they are for {}", names.join(", ")),
    };
    Problem::new(
        "RegistryUnknown",
        format!("no ImagePullSecret is for {host}: {others}"),
        format!(
            "make an ImagePullSecret for the instance of {host}, or correct the image's host{}",
            then_again(facts, "")
        ),
    )
}

/// The known host that is probably meant: under the same domain one with a similar label, else one that is
/// similar as a whole.
fn nearest_host<'a>(host: &str, known: &[&'a str]) -> Option<&'a str> {
    let (label, domain) = host.split_once('.')?;
    let beside = known.iter().filter_map(|it| it.split_once('.').filter(|(_, other)| *other == domain));
    let labels: Vec<&str> = beside.map(|(label, _)| label).collect();
    if let Some(near) = nearest(label, &labels) {
        return known.iter().find(|it| it.split_once('.') == Some((near, domain))).copied();
    }
    let elsewhere: Vec<&str> =
        known.iter().copied().filter(|it| it.split_once('.').is_none_or(|(_, it)| it != domain)).collect();
    // Up to a third of a long name may differ, which here would be another name.
    nearest(host, &elsewhere)
        .filter(|it| it.split('.').next() == Some(label) || it.len().abs_diff(host.len()) <= 2)
}
