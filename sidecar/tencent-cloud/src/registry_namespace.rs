//! Namespaces of an instance's registry, from DescribeNamespaces.

use serde_json::json;

use super::action::Action;
use super::client::{Call, Client};
use super::envelope::Reply;
use super::error::{CloudError, Failure};

/// Namespaces asked for at once.
const PAGE: usize = 100;
/// Pages read at most: few names contain another one.
const MOST_PAGES: usize = 10;

impl Client {
    /// Whether the instance has a namespace of exactly this name.
    pub async fn has_namespace(&self, region: &str, instance: &str, name: &str) -> Result<bool, CloudError> {
        for page in 1..=MOST_PAGES {
            // The offset is the number of a page, unlike in all other actions. The answer also has names that
            // only contain this one.
            let body =
                json!({ "RegistryId": instance, "NamespaceName": name, "Limit": PAGE, "Offset": page });
            let call = Call { action: Action::DescribeNamespaces, region, instance, body };
            let reply = self.call(&call).await?;
            let names = read(&reply).map_err(|failure| self.content_error(&call, failure))?;
            if names.iter().any(|it| it == name) {
                return Ok(true);
            }
            if names.len() < PAGE {
                break;
            }
        }
        Ok(false)
    }
}

fn read(reply: &Reply) -> Result<Vec<String>, Failure> {
    let list = reply.list("NamespaceList")?;
    list.iter().map(|fields| Ok(fields.text("Name")?.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    #[test]
    fn names_are_read_and_null_is_none() {
        let names = |list: &str| {
            let body =
                format!(r#"{{"Response":{{"NamespaceList":{list},"TotalCount":1,"RequestId":"r-1"}}}}"#);
            read(&envelope::parse(200, body.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(names(r#"[{"Name":"team-a","NamespaceId":3,"Public":false}]"#), ["team-a"]);
        assert_eq!(names("null"), Vec::<String>::new());
    }
}
