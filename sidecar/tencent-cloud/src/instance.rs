//! Registry instances, from DescribeInstances.

use std::collections::BTreeSet;

use serde_json::json;
use tcr::registry_host::RegistryHost;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::{Fields, Reply};
use super::error::{CloudError, Failure};

/// Instances asked for at once: the highest limit.
const PAGE: usize = 100;
/// Pages read at most.
const MOST_PAGES: usize = 10;

/// A TCR Enterprise instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The id of the instance, `tcr-...`.
    pub id: String,
    /// The name, which is the first label of its domains.
    pub name: String,
    /// The default domain, `<name>.tencentcloudcr.com`.
    pub public_domain: RegistryHost,
    /// `Running` when it can be used; else what is happening to it.
    pub status: String,
    /// The region it is in.
    pub region: String,
}

/// An instance in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstance {
    /// `tcr-...`.
    pub id: String,
    pub name: String,
    /// The region it is in.
    pub region: String,
    /// `Running` when it can be used.
    pub status: String,
    /// The default domain, as the cloud writes it.
    pub domain: String,
}

/// Whether an instance's status allows it to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It runs and answers.
    Ready,
    /// Not yet; it will become ready by itself.
    Later,
    /// Not until an administrator acts.
    Never,
}

impl Instance {
    /// The readiness that the status means.
    pub fn readiness(&self) -> Readiness {
        match self.status.as_str() {
            "Running" => Readiness::Ready,
            "Pending" | "Deploying" => Readiness::Later,
            _ => Readiness::Never,
        }
    }
}

impl Client {
    /// The instance with this id, none when the account has no such instance in the region.
    pub async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>, CloudError> {
        let call = Call {
            action: Action::DescribeInstances,
            region,
            instance: id,
            // Only this action spells the parameter so.
            body: json!({ "Registryids": [id] }),
        };
        let reply = self.call(&call).await?;
        read(&reply, id).map_err(|failure| self.content_error(&call, failure))
    }

    /// The instances that the calling identity can see in the region, or in every region; at most 1,000.
    pub async fn instances(
        &self,
        region: &str,
        every_region: bool,
    ) -> Result<Vec<ListedInstance>, CloudError> {
        let (mut instances, mut seen) = (Vec::new(), BTreeSet::new());
        for page in 0..MOST_PAGES {
            let body = json!({ "Limit": PAGE, "Offset": page * PAGE, "AllRegion": every_region });
            let call = Call { action: Action::DescribeInstances, region, instance: "*", body };
            let reply = self.call(&call).await?;
            let listed = read_list(&reply).map_err(|failure| self.content_error(&call, failure))?;
            let is_last = listed.len() < PAGE;
            // An instance that is created or deleted meanwhile shifts the pages.
            instances.extend(listed.into_iter().filter(|it| seen.insert(it.id.clone())));
            if is_last {
                break;
            }
        }
        Ok(instances)
    }
}

fn read_list(reply: &Reply) -> Result<Vec<ListedInstance>, Failure> {
    let one = |fields: &Fields<'_>| {
        let text = |name| Ok::<_, Failure>(fields.text(name)?.unwrap_or_default());
        Ok(ListedInstance {
            id: text("RegistryId")?,
            name: text("RegistryName")?,
            region: text("RegionName")?,
            status: text("Status")?,
            domain: text("PublicDomain")?,
        })
    };
    reply.list("Registries")?.iter().map(one).collect()
}

fn read(reply: &Reply, id: &str) -> Result<Option<Instance>, Failure> {
    let instances = reply.list("Registries")?;
    for fields in &instances {
        if fields.text("RegistryId")?.as_deref() == Some(id) {
            return instance(reply, fields, id).map(Some);
        }
    }
    // An answer about another instance would give this instance's users that one's credential.
    match instances.first().map(|fields| fields.text("RegistryId")).transpose()?.flatten() {
        Some(other) => Err(reply.implausible(format!("asked for {id}, it describes {other}"))),
        None => Ok(None),
    }
}

fn instance(reply: &Reply, fields: &Fields<'_>, id: &str) -> Result<Instance, Failure> {
    let text = |name| Ok::<_, Failure>(fields.text(name)?.unwrap_or_default());
    let domain = text("PublicDomain")?;
    let public_domain = domain
        .parse()
        .map_err(|error| reply.implausible(format!("the domain of {id} is {domain:?}: {error}")))?;
    Ok(Instance {
        id: id.to_owned(),
        name: text("RegistryName")?,
        public_domain,
        status: text("Status")?,
        region: text("RegionName")?,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::envelope;
    use super::*;

    #[track_caller]
    fn check(registries: &str, expected: Expect) {
        let body = format!(r#"{{"Response":{{"Registries":{registries},"RequestId":"r-1"}}}}"#);
        let reply = envelope::parse(200, body.as_bytes()).unwrap();
        expected.assert_eq(&match read(&reply, "tcr-a") {
            Ok(Some(found)) => format!("{} {} {:?}", found.public_domain, found.status, found.readiness()),
            Ok(None) => "none".to_owned(),
            Err(failure) => failure.to_string(),
        });
    }

    #[test]
    fn the_instance_asked_for_is_found_among_others() {
        check(
            r#"[{"RegistryId":"tcr-b"},{"RegistryId":"tcr-a","RegistryName":"demo","PublicDomain":"demo.tencentcloudcr.com","Status":"Running","TokenValidTime":null}]"#,
            expect!["demo.tencentcloudcr.com Running Ready"],
        );
    }

    #[test]
    fn no_instance_is_none() {
        check("[]", expect!["none"]);
        check("null", expect!["none"]);
    }

    #[test]
    fn another_instance_or_a_broken_domain_is_a_lie() {
        check(
            r#"[{"RegistryId":"tcr-b"}]"#,
            expect!["the answer cannot be true: asked for tcr-a, it describes tcr-b (request id r-1)"],
        );
        check(
            r#"[{"RegistryId":"tcr-a","PublicDomain":"https://x/"}]"#,
            expect![[
                r#"the answer cannot be true: the domain of tcr-a is "https://x/": "https://x/" is not a registry host: leave out the scheme and its :// (request id r-1)"#
            ]],
        );
    }

    #[test]
    fn states_that_pass_are_told_from_states_that_stay() {
        let with_status = |status| {
            format!(
                r#"[{{"RegistryId":"tcr-a","PublicDomain":"demo.tencentcloudcr.com","Status":"{status}"}}]"#
            )
        };
        check(&with_status("Deploying"), expect!["demo.tencentcloudcr.com Deploying Later"]);
        check(&with_status("Isolate"), expect!["demo.tencentcloudcr.com Isolate Never"]);
    }
}
