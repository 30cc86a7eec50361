//! Who a kubeconfig acts as.

use std::fmt;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::ControlPlane;

const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Somebody whom the API server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A ServiceAccount, by its own token.
    ServiceAccount { namespace: String, name: String },
    /// A user, by impersonation; the group `system:authenticated` is added.
    User { name: String, groups: Vec<String> },
}

impl Identity {
    /// The ServiceAccount `name` of `namespace`.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// A user in some groups.
    pub fn user(name: &str, groups: &[&str]) -> Self {
        Self::User { name: name.to_owned(), groups: groups.iter().map(|&group| group.to_owned()).collect() }
    }

    /// The name that RBAC, audit logs and admission reviews have for it.
    pub fn username(&self) -> String {
        match self {
            Self::ServiceAccount { namespace, name } => format!("system:serviceaccount:{namespace}:{name}"),
            Self::User { name, .. } => name.clone(),
        }
    }

    pub(crate) async fn kubeconfig(&self, plane: &ControlPlane) -> Result<String> {
        let username = self.username();
        match self {
            Self::ServiceAccount { namespace, name } => {
                let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().await?, namespace);
                let request = TokenRequest {
                    spec: TokenRequestSpec {
                        expiration_seconds: Some(TOKEN_SECONDS),
                        ..TokenRequestSpec::default()
                    },
                    ..TokenRequest::default()
                };
                let made = accounts.create_token_request(name, &PostParams::default(), &request).await?;
                let token = made.status.context("the TokenRequest has no status")?.token;
                Ok(plane.files.kubeconfig(&username, &json!({ "token": token }), Some(namespace)))
            }
            Self::User { name, groups } => {
                let credentials =
                    json!({ "token": plane.files.admin_token, "as": name, "as-groups": groups });
                Ok(plane.files.kubeconfig(&username, &credentials, None))
            }
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.username())
    }
}
