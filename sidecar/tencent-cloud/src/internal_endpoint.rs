//! Private links from VPCs to an instance, from DescribeInternalEndpoints.

use std::net::IpAddr;

use serde_json::json;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::Reply;
use super::error::{CloudError, Failure};

/// A private link from a VPC to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalEndpoint {
    /// The VPC that it leads from.
    pub vpc_id: String,
    /// The subnet of its address.
    pub subnet_id: String,
    /// `Running`, in any letter case, when it works.
    pub status: String,
    /// The instance's address inside the VPC; none while the link is being built.
    pub address: Option<IpAddr>,
}

impl InternalEndpoint {
    /// The link's address for nodes of this VPC, if the link works.
    pub fn usable_from(&self, vpc_id: &str) -> Option<IpAddr> {
        let running = self.status.eq_ignore_ascii_case("Running");
        self.address.filter(|_| running && self.vpc_id == vpc_id)
    }
}

impl Client {
    /// The instance's private links. For an instance that does not exist the API answers an
    /// internal error, so ask [`Client::instance`] first.
    pub async fn internal_endpoints(
        &self,
        region: &str,
        instance: &str,
    ) -> Result<Vec<InternalEndpoint>, CloudError> {
        let call = Call {
            action: Action::DescribeInternalEndpoints,
            region,
            instance,
            body: json!({ "RegistryId": instance }),
        };
        let reply = self.call(&call).await?;
        read(&reply).map_err(|failure| self.content_error(&call, failure))
    }
}

fn read(reply: &Reply) -> Result<Vec<InternalEndpoint>, Failure> {
    let links = reply.list("AccessVpcSet")?;
    links
        .iter()
        .map(|fields| {
            Ok(InternalEndpoint {
                vpc_id: fields.text("VpcId")?.unwrap_or_default(),
                subnet_id: fields.text("SubnetId")?.unwrap_or_default(),
                status: fields.text("Status")?.unwrap_or_default(),
                address: fields.text("AccessIp")?.and_then(|address| address.parse().ok()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    fn links(set: &str) -> Vec<InternalEndpoint> {
        let body = format!(r#"{{"Response":{{"AccessVpcSet":{set},"TotalCount":1}}}}"#);
        read(&envelope::parse(200, body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_running_link_of_the_vpc_is_usable() {
        let links =
            links(r#"[{"VpcId":"vpc-a","SubnetId":"subnet-a","Status":"running","AccessIp":"10.0.0.2"}]"#);
        assert_eq!(links[0].usable_from("vpc-a"), "10.0.0.2".parse().ok());
        assert_eq!(links[0].usable_from("vpc-b"), None);
    }

    #[test]
    fn a_link_without_address_or_in_another_state_is_not_usable() {
        for link in [
            r#"[{"VpcId":"vpc-a","Status":"Running","AccessIp":""}]"#,
            r#"[{"VpcId":"vpc-a","Status":"Running","AccessIp":null}]"#,
            r#"[{"VpcId":"vpc-a","Status":"Running","AccessIp":"nonsense"}]"#,
            r#"[{"VpcId":"vpc-a","Status":"Creating","AccessIp":"10.0.0.2"}]"#,
        ] {
            assert_eq!(links(link)[0].usable_from("vpc-a"), None, "{link}");
        }
    }

    #[test]
    fn null_is_no_links() {
        assert!(links("null").is_empty());
    }
}
