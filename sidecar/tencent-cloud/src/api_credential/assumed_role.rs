//! The API credential of a role of any account, for one instance. The controller's own identity assumes it by
//! AssumeRole, limited to the instance; or its Pod does by AssumeRoleWithWebIdentity, which takes no policy.

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tcr::sensitive::SensitiveBytes;

use super::credential::{ApiCredential, ApiCredentialError, Origin};
use super::keeper::ApiCredentials;
use super::pod_identity::{self, PodIdentity};
use super::security_token::{self, Call};
use super::web::Web;
use crate::action::Action;
use crate::endpoint::Endpoint;
use crate::error::{Class, Failure};
use crate::transport::Failed;

const ACTION: &str = "AssumeRole";
const CALLER: &str = "GetCallerIdentity";

/// The actions in a role. Without those on long-term credentials, which no role makes.
const ACTIONS: [Action; 10] = [
    Action::CreateInstanceToken,
    Action::DescribeInstances,
    Action::DescribeInternalEndpoints,
    Action::DescribeInternalEndpointDnsStatus,
    Action::DescribeInstanceCustomizedDomain,
    Action::DescribeNamespaces,
    Action::CreateServiceAccount,
    Action::DescribeServiceAccounts,
    Action::ModifyServiceAccount,
    Action::DeleteServiceAccount,
];

/// A role, and the instance that it is assumed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// `qcs::cam::uin/NUMBER:roleName/NAME`.
    pub arn: String,
    /// The external id that its trust policy requires, if any.
    pub external_id: Option<String>,
    /// The OIDC provider by which the role's account knows the cluster, where the Pod assumes the role with
    /// its own token.
    pub provider_id: Option<String>,
    /// Whether the operator allows it.
    pub is_allowed: bool,
    /// The region of the instance.
    pub region: String,
    /// The instance.
    pub instance_id: String,
}

impl AssumedRole {
    /// Obtains a key of the role.
    pub(super) async fn take_on(
        &self,
        signer: &ApiCredentials,
        now: Timestamp,
    ) -> Result<ApiCredential, ApiCredentialError> {
        if !self.is_allowed {
            return Err(
                self.refused("it is none of the roles that the operator allows (allowedRoles)".to_owned())
            );
        }
        match &self.provider_id {
            Some(provider_id) => self.take_on_by_token(provider_id, signer, now).await,
            None => self.take_on_by_signature(signer, now).await,
        }
    }

    async fn take_on_by_token(
        &self,
        provider_id: &str,
        signer: &ApiCredentials,
        now: Timestamp,
    ) -> Result<ApiCredential, ApiCredentialError> {
        let Some(own) = signer.pod_identity()? else {
            let reason = "it is for the Pod's own token (provider-id), and the Pod has none".to_owned();
            return Err(ApiCredentialError::Broken { origin: self.origin(), reason });
        };
        let identity = PodIdentity { provider_id: provider_id.to_owned(), role_arn: self.arn.clone(), ..own };
        pod_identity::assume(&identity, self.origin(), signer.web(), now).await
    }

    /// Assumes the role with a key of `signer`; with another one where the first is refused.
    async fn take_on_by_signature(
        &self,
        signer: &ApiCredentials,
        now: Timestamp,
    ) -> Result<ApiCredential, ApiCredentialError> {
        // Boxed, because by its type a signer could be a role too.
        let key = Box::pin(signer.current(now)).await?;
        let failed = match self.assume(&key, signer.web(), now).await {
            Ok(found) => return Ok(found),
            Err(failed) => failed,
        };
        let may_be_renewed =
            failed.failure.class() == Class::RefreshCredential && !failed.failure.is_clock_skew();
        if may_be_renewed && let Some(other) = Box::pin(signer.renewed(&key, now)).await? {
            return match self.assume(&other, signer.web(), now).await {
                Ok(found) => Ok(found),
                Err(failed) => Err(self.error(failed, &other, signer.web(), now).await),
            };
        }
        Err(self.error(failed, &key, signer.web(), now).await)
    }

    async fn assume(&self, key: &ApiCredential, web: &Web, now: Timestamp) -> Result<ApiCredential, Failed> {
        let endpoint = self.endpoint(web)?;
        let mut body = json!({
            "RoleArn": self.arn,
            "RoleSessionName": security_token::session_name(now),
            "DurationSeconds": security_token::LIFE,
            "Policy": utf8_percent_encode(&self.policy().to_string(), NON_ALPHANUMERIC).to_string(),
        });
        if let Some(id) = &self.external_id {
            body["ExternalId"] = id.as_str().into();
        }
        let body = SensitiveBytes::from(body.to_string().into_bytes());
        let call = Call { action: ACTION, region: &self.region, body: &body, signer: Some(key) };
        let reply = security_token::call(&call, web, &endpoint, now).await?;
        Ok(security_token::key(&reply, self.origin(), now)?)
    }

    fn origin(&self) -> Origin {
        Origin::AssumedRole(self.arn.clone())
    }

    fn endpoint(&self, web: &Web) -> Result<Endpoint, Failure> {
        Ok(security_token::endpoint(web, &self.region)?)
    }

    /// The upper limit of the session: the calls for one instance. Actions that CAM is not known to grant per
    /// instance are allowed for all instances that the role itself may use.
    fn policy(&self) -> Value {
        let id = &self.instance_id;
        let on = |resource: &str| {
            let of_resource = ACTIONS.into_iter().filter(|action| action.cam_resource(id) == resource);
            let actions: Vec<String> = of_resource.map(|action| format!("tcr:{action}")).collect();
            json!({"effect": "allow", "action": actions, "resource": [resource]})
        };
        json!({"version": "2.0", "statement": [
            on(&format!("qcs::tcr:::instance/{id}")),
            on("*"),
            // The credential itself needs this: it has the rights of the identity that makes it.
            {
                "effect": "allow",
                "action": ["tcr:PullRepository"],
                "resource": [format!("qcs::tcr:::repository/{id}/*")],
            },
        ]})
    }

    fn refused(&self, reason: String) -> ApiCredentialError {
        ApiCredentialError::RoleRefused { arn: self.arn.clone(), reason }
    }

    /// The fault: of the role, of the key that signed, or of the connection to the service.
    async fn error(
        &self,
        Failed { failure, date }: Failed,
        key: &ApiCredential,
        web: &Web,
        now: Timestamp,
    ) -> ApiCredentialError {
        if failure.is_clock_skew()
            && let Some(date) = date
        {
            return ApiCredentialError::ClockSkew { arn: self.arn.clone(), date };
        }
        let service = self.endpoint(web).map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let said = format!("{ACTION}{service}: {}", redacted(&failure, key));
        if failure.code().starts_with("AuthFailure.") {
            let reason = format!("{said}, when it should take on the role {}", self.arn);
            return ApiCredentialError::Broken { origin: key.origin.clone(), reason };
        }
        let advice = match failure.code() {
            "UnauthorizedOperation" => self.statement(self.account_of(key, web, now).await.as_deref()),
            _ if security_token::is_no_role(&failure) => {
                "check that there is this role, in that account".to_owned()
            }
            _ => return security_token::error(self.origin(), &failure, said),
        };
        security_token::error(self.origin(), &failure, format!("{said}; {advice}"))
    }

    /// The number of the signing account, for the trust statement.
    async fn account_of(&self, key: &ApiCredential, web: &Web, now: Timestamp) -> Option<String> {
        let endpoint = self.endpoint(web).ok()?;
        let body = SensitiveBytes::from(b"{}".to_vec());
        let call = Call { action: CALLER, region: &self.region, body: &body, signer: Some(key) };
        let reply = security_token::call(&call, web, &endpoint, now).await.ok()?;
        let account = reply.text("AccountId").ok()??;
        ((1..=20).contains(&account.len()) && account.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(account)
    }

    /// The statements that are needed at each of the two accounts. The service does not tell which one is
    /// missing.
    fn statement(&self, account: Option<&str>) -> String {
        let account = account.unwrap_or("NUMBER-OF-THE-CONTROLLERS-ACCOUNT");
        let mut statement = json!({
            "effect": "allow",
            "action": "name/sts:AssumeRole",
            "principal": {"qcs": [format!("qcs::cam::uin/{account}:root")]},
        });
        if let Some(id) = &self.external_id {
            statement["condition"] = json!({"string_equal": {"sts:external_id": id}});
        }
        format!(
            "add to the role's trust policy {statement}, and allow the controller's identity sts:AssumeRole on it"
        )
    }
}

/// The service's message, without secrets that it might repeat.
fn redacted(failure: &Failure, key: &ApiCredential) -> String {
    let secrets = [Some(&key.secret_key), key.token.as_ref()];
    let said = failure.to_string();
    secrets.into_iter().flatten().fold(said, |said, secret| said.replace(secret.expose(), "[redacted]"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn role() -> AssumedRole {
        AssumedRole {
            arn: "qcs::cam::uin/100000000002:roleName/reader".to_owned(),
            external_id: Some("cluster-1".to_owned()),
            provider_id: None,
            is_allowed: true,
            region: "ap-guangzhou".to_owned(),
            instance_id: "tcr-demo0001".to_owned(),
        }
    }

    #[test]
    fn the_trust_statement_is_whole_and_names_who_asks() {
        expect![[r#"add to the role's trust policy {"action":"name/sts:AssumeRole","condition":{"string_equal":{"sts:external_id":"cluster-1"}},"effect":"allow","principal":{"qcs":["qcs::cam::uin/100000000001:root"]}}, and allow the controller's identity sts:AssumeRole on it"#]].assert_eq(&role().statement(Some("100000000001")));
        let without_id = AssumedRole { external_id: None, ..role() };
        expect![[r#"add to the role's trust policy {"action":"name/sts:AssumeRole","effect":"allow","principal":{"qcs":["qcs::cam::uin/NUMBER-OF-THE-CONTROLLERS-ACCOUNT:root"]}}, and allow the controller's identity sts:AssumeRole on it"#]].assert_eq(&without_id.statement(None));
    }

    #[test]
    fn a_session_is_narrowed_to_its_instance_as_far_as_cam_tells_instances_apart() {
        expect![[r#"
            {
              "statement": [
                {
                  "action": [
                    "tcr:CreateInstanceToken",
                    "tcr:DescribeInstances"
                  ],
                  "effect": "allow",
                  "resource": [
                    "qcs::tcr:::instance/tcr-demo0001"
                  ]
                },
                {
                  "action": [
                    "tcr:DescribeInternalEndpoints",
                    "tcr:DescribeInternalEndpointDnsStatus",
                    "tcr:DescribeInstanceCustomizedDomain",
                    "tcr:DescribeNamespaces",
                    "tcr:CreateServiceAccount",
                    "tcr:DescribeServiceAccounts",
                    "tcr:ModifyServiceAccount",
                    "tcr:DeleteServiceAccount"
                  ],
                  "effect": "allow",
                  "resource": [
                    "*"
                  ]
                },
                {
                  "action": [
                    "tcr:PullRepository"
                  ],
                  "effect": "allow",
                  "resource": [
                    "qcs::tcr:::repository/tcr-demo0001/*"
                  ]
                }
              ],
              "version": "2.0"
            }"#]]
        .assert_eq(&format!("{:#}", role().policy()));
    }
}
