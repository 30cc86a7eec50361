//! The policy's cases, put to the built policy as a user would.

use integration::{policy_wasm, program};

#[test]
fn every_case_of_the_policy_passes() {
    let output =
        program("harness").arg("test").arg(policy_wasm()).arg("policy/cases").output().expect("it starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().unwrap_or_default();
    let (passed, rest) = last.split_once(' ').unwrap_or_default();
    assert!(passed.parse::<usize>().is_ok_and(|it| it > 80) && rest == "passed, 0 failed", "{last}");
}
