//! The hosts of an instance that a credential is for: `default`, `vpc` and custom names become hosts.

use std::collections::BTreeSet;

use tcr::image_pull_secret::Tcr;
use tcr::registry_host::{RegistryHost, RegistryHostError};

/// Why a domain of an ImagePullSecret has no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// `vpc` of an instance whose default domain is not `<name>.tencentcloudcr.com`.
    #[error("domain \"vpc\": {public} has no private twin; name the private domain in full")]
    NoVpc {
        /// The instance's default domain.
        public: RegistryHost,
    },
    /// A custom domain that is no host.
    #[error("domain {domain:?}: {source}")]
    NotAHost {
        /// The domain as written.
        domain: String,
        /// What is wrong with it.
        source: RegistryHostError,
    },
    /// A host to which no password may be sent. The default domain comes from the cloud's answer and is
    /// checked like any other, because a Secret decides where kubelets send the password.
    #[error("domain {domain:?}: {host} is not under {}", allowed.join(" or "))]
    NotAllowed {
        /// The domain as written.
        domain: String,
        /// The host that it stands for.
        host: RegistryHost,
        /// The allowed root domains.
        allowed: Vec<String>,
    },
}

/// The hosts that the Secret of an instance is for: the instance's domains, and the aliases.
pub fn all(
    tcr: &Tcr,
    public: &RegistryHost,
    allowed_roots: &[String],
) -> Result<BTreeSet<RegistryHost>, DomainError> {
    let mut all = hosts(&tcr.domains, public, allowed_roots)?;
    for alias in &tcr.aliases {
        // The rules decide which aliases are allowed; the cloud's answer changes nothing about that.
        let not_a_host = |source| DomainError::NotAHost { domain: alias.clone(), source };
        all.insert(alias.parse().map_err(not_a_host)?);
    }
    Ok(all)
}

/// The hosts that `domains` stand for, given the instance's default domain.
pub fn hosts(
    domains: &[String],
    public: &RegistryHost,
    allowed_roots: &[String],
) -> Result<BTreeSet<RegistryHost>, DomainError> {
    domains.iter().map(|domain| host(domain, public, allowed_roots)).collect()
}

fn host(domain: &str, public: &RegistryHost, allowed_roots: &[String]) -> Result<RegistryHost, DomainError> {
    let host = match domain {
        "default" => public.clone(),
        "vpc" => public.vpc().ok_or_else(|| DomainError::NoVpc { public: public.clone() })?,
        custom => {
            custom.parse().map_err(|source| DomainError::NotAHost { domain: custom.to_owned(), source })?
        }
    };
    if !allowed_roots.iter().any(|root| host.is_under(root)) {
        let allowed = allowed_roots.to_vec();
        return Err(DomainError::NotAllowed { domain: domain.to_owned(), host, allowed });
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(domains: &[&str], public: &str, expected: Expect) {
        let domains: Vec<String> = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let found = hosts(&domains, &public.parse().unwrap(), &["tencentcloudcr.com".to_owned()]);
        expected.assert_eq(&match found {
            Ok(hosts) => hosts.iter().map(RegistryHost::as_str).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn names_stand_for_the_instances_domains() {
        check(
            &["vpc", "default", "images.demo.tencentcloudcr.com"],
            "demo.tencentcloudcr.com",
            expect!["demo-vpc.tencentcloudcr.com demo.tencentcloudcr.com images.demo.tencentcloudcr.com"],
        );
    }

    #[test]
    fn aliases_are_hosts_beside_the_domains() {
        let domains = vec!["default".to_owned()];
        let found = |aliases: &[&str]| {
            let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
            let tcr = Tcr { domains: domains.clone(), aliases, ..Tcr::default() };
            let public = "demo.tencentcloudcr.com".parse().unwrap();
            all(&tcr, &public, &["tencentcloudcr.com".to_owned()])
        };
        let hosts = found(&["Cache.example.com:5000", "demo.tencentcloudcr.com"]).unwrap();
        let hosts: Vec<&str> = hosts.iter().map(RegistryHost::as_str).collect();
        assert_eq!(hosts, ["cache.example.com:5000", "demo.tencentcloudcr.com"]);
        assert!(matches!(found(&["a b"]), Err(DomainError::NotAHost { .. })));
    }

    #[test]
    fn a_domain_elsewhere_is_refused_also_when_the_cloud_says_so() {
        check(
            &["default"],
            "demo.eviltencentcloudcr.com",
            expect![[
                r#"error: domain "default": demo.eviltencentcloudcr.com is not under tencentcloudcr.com"#
            ]],
        );
        check(
            &["vpc"],
            "demo.example.com",
            expect![[
                r#"error: domain "vpc": demo.example.com has no private twin; name the private domain in full"#
            ]],
        );
        check(
            &["a b"],
            "demo.tencentcloudcr.com",
            expect![[r#"error: domain "a b": "a b" is not a registry host: it contains a blank"#]],
        );
    }
}
