//! The machine that the program under test believes to be on.

use serde::{Deserialize, Serialize};

/// A CVM, as its metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// Where it is, `ap-guangzhou`.
    pub region: String,
    /// Its first network interface.
    pub mac: String,
    /// The VPC of that interface.
    pub vpc_id: String,
    /// The subnet of that interface.
    pub subnet_id: String,
    /// The name of the role that is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Machine {
    /// A machine in that region and VPC, without a role.
    pub fn new(region: impl Into<String>, vpc_id: impl Into<String>, subnet_id: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            mac: "52:54:00:00:00:01".to_owned(),
            vpc_id: vpc_id.into(),
            subnet_id: subnet_id.into(),
            role: None,
        }
    }
}
