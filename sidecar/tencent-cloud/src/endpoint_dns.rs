//! Whether TCR's own private DNS serves a domain in a VPC, from DescribeInternalEndpointDnsStatus.

use std::net::IpAddr;

use serde_json::json;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::Reply;
use super::error::{CloudError, Failure};

/// One kind of domain of one link. The answer does not name the kind, so each kind takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsQuestion<'a> {
    /// The VPC that the link leads from.
    pub vpc_id: &'a str,
    /// The region that the VPC is in, which need not be the instance's.
    pub region: &'a str,
    /// The address that the link has.
    pub address: IpAddr,
    /// Asks about the default domain, else about the domain for VPCs.
    pub is_default_domain: bool,
}

impl Client {
    /// Whether nodes of the VPC already resolve the domain to the link. `region` is the instance's.
    pub async fn is_served_by_dns(
        &self,
        region: &str,
        instance: &str,
        question: DnsQuestion<'_>,
    ) -> Result<bool, CloudError> {
        let DnsQuestion { vpc_id, region: vpc_region, address, is_default_domain } = question;
        let call = Call {
            action: Action::DescribeInternalEndpointDnsStatus,
            region,
            instance,
            body: json!({ "VpcSet": [{
                "InstanceId": instance,
                "VpcId": vpc_id,
                "EniLBIp": address.to_string(),
                "UsePublicDomain": is_default_domain,
                "RegionName": vpc_region,
            }]}),
        };
        let reply = self.call(&call).await?;
        read(&reply, vpc_id).map_err(|failure| self.content_error(&call, failure))
    }
}

/// `ENABLE` by the documentation, `ENABLED` by its examples.
fn read(reply: &Reply, vpc_id: &str) -> Result<bool, Failure> {
    for fields in reply.list("VpcSet")? {
        let status = fields.text("Status")?.unwrap_or_default();
        if fields.text("VpcId")?.as_deref() == Some(vpc_id) {
            return Ok(["ENABLE", "ENABLED"].iter().any(|word| status.eq_ignore_ascii_case(word)));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    #[test]
    fn both_spellings_of_enabled_are_one() {
        for (set, served) in [
            (r#"[{"Region":"ap-guangzhou","VpcId":"vpc-a","Status":"ENABLED"}]"#, true),
            (r#"[{"VpcId":"vpc-a","Status":"enable"}]"#, true),
            (r#"[{"VpcId":"vpc-a","Status":"DISABLED"}]"#, false),
            (r#"[{"VpcId":"vpc-b","Status":"ENABLED"}]"#, false),
            ("null", false),
        ] {
            let body = format!(r#"{{"Response":{{"VpcSet":{set}}}}}"#);
            assert_eq!(
                read(&envelope::parse(200, body.as_bytes()).unwrap(), "vpc-a").unwrap(),
                served,
                "{set}"
            );
        }
    }
}
