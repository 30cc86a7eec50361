//! The id of a credential that an instance lists: that of a long-term credential, or the name of a service account.

/// The prefix that TCR adds to the name of a service account.
pub const SERVICE_ACCOUNT_PREFIX: &str = "tcr$";

/// Whether the id is the name of a service account, not the id of a token.
pub fn is_account(id: &str) -> bool {
    id.starts_with(SERVICE_ACCOUNT_PREFIX)
}

/// The action of the API that deletes the credential.
pub fn delete_action(id: &str) -> &'static str {
    if is_account(id) { "DeleteServiceAccount" } else { "DeleteInstanceToken" }
}

/// The command by which a person deletes the credential.
pub fn delete_command(region: &str, instance_id: &str, id: &str) -> String {
    let action = delete_action(id);
    let by = match is_account(id) {
        // A shell would take the rest of the name for a variable.
        true => format!("--Name '{id}'"),
        false => format!("--TokenId {id}"),
    };
    format!("tccli tcr {action} --region {region} --RegistryId {instance_id} {by}")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(id: &str, expect: Expect) {
        expect.assert_eq(&delete_command("ap-guangzhou", "tcr-demo0001", id));
    }

    #[test]
    fn either_kind_of_credential_has_its_own_command() {
        check(
            "b3sbvu9k5uig6y0xgg81",
            expect![
                "tccli tcr DeleteInstanceToken --region ap-guangzhou --RegistryId tcr-demo0001 --TokenId b3sbvu9k5uig6y0xgg81"
            ],
        );
        check(
            "tcr$build",
            expect![
                "tccli tcr DeleteServiceAccount --region ap-guangzhou --RegistryId tcr-demo0001 --Name 'tcr$build'"
            ],
        );
    }
}
