//! The policy that a session is narrowed by: CAM's syntax, as far as somebody narrows a role to an instance.

use serde_json::Value;

use crate::{account::covers, envelope::ApiError};

/// The greatest policy. The documentation has a code for longer ones and no number.
const LONGEST: usize = 2048;

/// What a session may at most. Nothing that is not allowed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPolicy(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

impl SessionPolicy {
    /// Reads the parameter `Policy`, which is JSON in the encoding of URLs.
    pub(crate) fn read(parameter: &str) -> Result<Self, ApiError> {
        let malformed =
            |why: &str| ApiError::new("InvalidParameter.StrategyFormatError", format!("The policy {why}."));
        if parameter.len() > LONGEST {
            return Err(ApiError::new("InvalidParameter.PolicyTooLong", "The policy is too long."));
        }
        if parameter.contains(['{', '"', ' ']) {
            return Err(malformed("is not encoded as in a URL"));
        }
        let decoded = percent_encoding::percent_decode_str(parameter).decode_utf8();
        let text = decoded.map_err(|_| malformed("is not UTF-8"))?;
        let policy: Value = serde_json::from_str(&text).map_err(|_| malformed("is not JSON"))?;
        if policy["version"] != "2.0" {
            return Err(malformed("has not the version 2.0"));
        }
        let statements = policy["statement"].as_array().ok_or_else(|| malformed("has no statement"))?;
        let read = |statement: &Value| {
            if !statement["principal"].is_null() {
                return Err(malformed("has a principal"));
            }
            let allow = match statement["effect"].as_str() {
                Some("allow") => true,
                Some("deny") => false,
                _ => return Err(malformed("has an effect that is neither allow nor deny")),
            };
            let list = |field: &str| {
                let one = statement[field].as_str().map(|text| vec![text.to_owned()]);
                let many =
                    || statement[field].as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect();
                one.or_else(many).filter(|list: &Vec<String>| !list.is_empty())
            };
            let actions = list("action").ok_or_else(|| malformed("has a statement without action"))?;
            let resources = list("resource").ok_or_else(|| malformed("has a statement without resource"))?;
            match resources.iter().find(|it| *it != "*" && !it.starts_with("qcs::")) {
                Some(_) => Err(ApiError::new("InvalidParameter.ResouceError", "A resource is not qcs::...")),
                None => Ok(Statement { allow, actions, resources }),
            }
        };
        Ok(Self(statements.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Whether it allows an operation on that instance; without one, on anything.
    pub(crate) fn allows(&self, operation: &str, registry_id: Option<&str>) -> bool {
        let says = |allow: bool| {
            self.0.iter().any(|it| {
                it.allow == allow
                    && it.actions.iter().any(|granted| covers(granted, operation))
                    && it.resources.iter().any(|resource| registry_id.is_none_or(|id| is_of(resource, id)))
            })
        };
        says(true) && (registry_id.is_none() || !says(false))
    }
}

/// Whether `qcs::tcr:REGION:uin/UIN:instance/ID` or `...:repository/ID/...` is about that instance.
fn is_of(resource: &str, registry_id: &str) -> bool {
    let path = resource.rsplit(':').next().unwrap_or_default();
    let mut parts = path.split('/');
    resource == "*"
        || resource.starts_with("qcs::tcr:")
            && matches!(parts.next(), Some("instance" | "repository"))
            && parts.next().is_some_and(|id| id == "*" || id == registry_id)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn read(policy: &Value) -> Result<SessionPolicy, ApiError> {
        let policy = policy.to_string();
        let encoded = percent_encoding::utf8_percent_encode(&policy, percent_encoding::NON_ALPHANUMERIC);
        SessionPolicy::read(&encoded.to_string())
    }

    fn policy(statement: Value) -> Value {
        serde_json::json!({"version": "2.0", "statement": [statement]})
    }

    #[test]
    fn a_session_may_what_its_policy_allows_on_that_instance() {
        let statement = serde_json::json!({
            "effect": "allow", "action": ["tcr:Describe*", "tcr:CreateInstanceToken"],
            "resource": "qcs::tcr:::instance/tcr-demo0001",
        });
        let read = read(&policy(statement)).unwrap();
        for (operation, instance, allowed) in [
            ("tcr:CreateInstanceToken", Some("tcr-demo0001"), true),
            ("tcr:DescribeInstances", None, true),
            ("tcr:CreateInstanceToken", Some("tcr-demo0002"), false),
            ("tcr:DeleteInstanceToken", Some("tcr-demo0001"), false),
            ("tcr:DeleteInstanceToken", None, false),
        ] {
            assert_eq!(read.allows(operation, instance), allowed, "{operation} {instance:?}");
        }
    }

    #[track_caller]
    fn check(policy: &Value, expected: Expect) {
        let ApiError { code, message } = read(policy).unwrap_err();
        expected.assert_eq(&format!("{code}: {message}"));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let good = serde_json::json!({"effect": "allow", "action": "tcr:*", "resource": "*"});
        assert!(read(&policy(good.clone())).is_ok());
        let changed = |field: &str, value: Value| {
            let mut statement = good.clone();
            statement[field] = value;
            policy(statement)
        };
        check(
            &changed("principal", serde_json::json!({"qcs": "*"})),
            expect!["InvalidParameter.StrategyFormatError: The policy has a principal."],
        );
        check(
            &changed("action", Value::Null),
            expect!["InvalidParameter.StrategyFormatError: The policy has a statement without action."],
        );
        check(
            &changed("resource", "tcr-demo0001".into()),
            expect!["InvalidParameter.ResouceError: A resource is not qcs::..."],
        );
        let plain = SessionPolicy::read(&policy(good).to_string()).unwrap_err();
        assert_eq!(plain.message, "The policy is not encoded as in a URL.");
    }
}
