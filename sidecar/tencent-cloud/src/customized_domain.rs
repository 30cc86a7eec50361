//! Custom domains of an instance, from DescribeInstanceCustomizedDomain.

use std::collections::BTreeMap;

use serde_json::json;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::Reply;
use super::error::{CloudError, Failure};

/// Entries in one page.
const PAGE: usize = 100;

impl Client {
    /// The instance's custom domains in lower case, each with its status: `SUCCESS`, in any letter case, when
    /// it works.
    pub async fn customized_domains(
        &self,
        region: &str,
        instance: &str,
    ) -> Result<BTreeMap<String, String>, CloudError> {
        let mut domains = BTreeMap::new();
        let mut offset = 0;
        loop {
            let call = Call {
                action: Action::DescribeInstanceCustomizedDomain,
                region,
                instance,
                body: json!({ "RegistryId": instance, "Limit": PAGE, "Offset": offset }),
            };
            let reply = self.call(&call).await?;
            let (page, total) = read(&reply).map_err(|failure| self.content_error(&call, failure))?;
            let count = page.len();
            offset += count;
            domains.extend(page);
            if count == 0 || offset >= total {
                return Ok(domains);
            }
        }
    }
}

/// Whether a domain of this status can be used.
pub fn is_ready(status: &str) -> bool {
    status.eq_ignore_ascii_case("SUCCESS")
}

fn read(reply: &Reply) -> Result<(Vec<(String, String)>, usize), Failure> {
    let mut page = Vec::new();
    for fields in reply.list("DomainInfoList")? {
        let name = fields.text("DomainName")?.unwrap_or_default().to_ascii_lowercase();
        page.push((name, fields.text("Status")?.unwrap_or_default()));
    }
    let total = reply.integer("TotalCount")?.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
    Ok((page, total))
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    #[test]
    fn names_are_lower_case_and_null_is_none() {
        let body = r#"{"Response":{"DomainInfoList":[{"DomainName":"Img.Example.com","Status":"success"}],"TotalCount":1}}"#;
        let (page, total) = read(&envelope::parse(200, body.as_bytes()).unwrap()).unwrap();
        assert_eq!(page, [("img.example.com".to_owned(), "success".to_owned())]);
        assert!(is_ready(&page[0].1) && !is_ready("CREATING"));
        assert_eq!(total, 1);
        let body = r#"{"Response":{"DomainInfoList":null,"TotalCount":null}}"#;
        assert_eq!(read(&envelope::parse(200, body.as_bytes()).unwrap()).unwrap(), (Vec::new(), 0));
    }
}
