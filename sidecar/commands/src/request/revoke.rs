//! `tcr-assistant revoke`: deletes a credential at once.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use tcr::image_pull_secret::CredentialKind;
use tcr::names::{IMAGE_PULL_SECRET_LABEL, image_pull_secret_label};

use super::{Outcome, ask};
use crate::output::Output;
use crate::reader::{Reader, Right, Seen, seen};
use custom_resource::ImagePullSecret;
use custom_resource::condition::RequestState;
use custom_resource::request::{self, Request};
use kubernetes::api_error::within;

/// Namespaces that a question names.
const MOST_NAMED: usize = 20;
/// Secrets in one page of a list.
const PAGE: u32 = 500;

/// The options of the command.
#[derive(Clone, Debug)]
pub struct Options {
    /// An ImagePullSecret's name, or a credential's id.
    pub target: String,
    /// The ImagePullSecret that the credential was made for, where no ImagePullSecret uses it any more.
    pub of: Option<String>,
    /// No confirmation is needed.
    pub yes: bool,
    /// How long to wait for the controller.
    pub timeout: Duration,
}

/// A credential and its users.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    token_id: String,
    /// The ImagePullSecret on which the request is written.
    name: String,
    /// The ImagePullSecrets that use the credential.
    users: Vec<String>,
}

/// Revokes the credential. Returns whether it is gone.
///
/// # Errors
/// There is no such credential, it was not confirmed, or as of [`ask::ask`] and [`ask::wait`].
pub async fn run(
    reader: &Reader,
    options: &Options,
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
    agree: &mut dyn FnMut(&str) -> Result<bool>,
) -> Result<bool> {
    let objects = reader.image_pull_secrets().await.required("ImagePullSecrets")?;
    let target = find(&options.target, options.of.as_deref(), &objects).map_err(anyhow::Error::msg)?;
    if !target.users.is_empty() && !options.yes {
        let namespaces = namespaces(reader, &target.users).await;
        if !agree(&consequences(&target, &namespaces, &objects))? {
            bail!("nothing was revoked");
        }
    }
    let request = Request::Revoke { token_id: target.token_id.clone() };
    let asked = ask::ask(reader, &target.name, request).await?;
    let outcome = ask::wait(reader, &target.name, &asked, options.timeout, tell).await?;
    output.print(&outcome, Outcome::text, out)?;
    Ok(outcome.request.state() == Some(RequestState::Done))
}

/// Finds the credential.
fn find(target: &str, of: Option<&str>, objects: &[ImagePullSecret]) -> Result<Target, String> {
    let name = |object: &ImagePullSecret| object.metadata.name.clone().unwrap_or_default();
    let named = |wanted: &str| objects.iter().find(|it| it.metadata.name.as_deref() == Some(wanted));
    let users = |token: &str| {
        let uses =
            |it: &&ImagePullSecret| it.status.as_ref().and_then(|it| it.token_id.as_deref()) == Some(token);
        objects.iter().filter(uses).map(name).collect::<Vec<_>>()
    };
    if let Some(object) = named(target) {
        let token_id = token_of(object)?;
        return Ok(Target { users: users(&token_id), token_id, name: target.to_owned() });
    }
    request::token_id(target).map_err(|form| {
        format!("{target:?} is no ImagePullSecret of this cluster and no credential: {form}")
    })?;
    let users = users(target);
    let name = match (users.first(), of) {
        (Some(user), _) => user.clone(),
        (None, Some(of)) if named(of).is_some() => of.to_owned(),
        (None, Some(of)) => return Err(format!("--of: there is no ImagePullSecret {of}")),
        (None, None) => {
            return Err(format!(
                "there is no ImagePullSecret {target}, and none whose credential in use is {target}: name the one that it \
                 was made for with --of"
            ));
        }
    };
    Ok(Target { token_id: target.to_owned(), name, users })
}

fn token_of(object: &ImagePullSecret) -> Result<String, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let token_id = object.status.as_ref().and_then(|it| it.token_id.clone());
    match (&object.spec.tcr, token_id) {
        (Some(tcr), _) if tcr.credential.kind == CredentialKind::Temp => Err(format!(
            "{name} has a temporary credential, which cannot be taken back and ends by itself within an hour: kubectl tcr \
             rotate {name}"
        )),
        (Some(tcr), None) if !tcr.has_credential() => Err(format!(
            "{name} asks for no credential (spec.tcr.credential.type is none): there is none to revoke"
        )),
        (Some(_), Some(token_id)) => Ok(token_id),
        (Some(_), None) => Err(format!("{name} has no credential yet: kubectl tcr status")),
        (None, _) => Err(format!(
            "{name} has a password of spec.docker, which was not made here: change it where it was made, then in spec.docker"
        )),
    }
}

/// Namespaces that have the Secret of one of these.
async fn namespaces(reader: &Reader, users: &[String]) -> Seen<BTreeSet<String>> {
    let secrets: Api<Secret> = Api::all(reader.client.clone());
    let labels: Vec<String> = users.iter().map(|it| image_pull_secret_label(it)).collect();
    let selector = format!("{IMAGE_PULL_SECRET_LABEL} in ({})", labels.join(","));
    let right = Right { verb: "list", resource: "secrets", namespace: None };
    let mut found = BTreeSet::new();
    let mut params = ListParams::default().labels(&selector).limit(PAGE);
    loop {
        let page = match within(reader.deadline, secrets.list_metadata(&params)).await {
            Ok(page) => page,
            Err(error) => return seen(right, Err(error)),
        };
        found.extend(page.items.into_iter().filter_map(|it| it.metadata.namespace));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Seen::Known(found),
        }
    }
}

/// What would stop working.
fn consequences(target: &Target, namespaces: &Seen<BTreeSet<String>>, objects: &[ImagePullSecret]) -> String {
    let where_ = match namespaces {
        Seen::Known(namespaces) => {
            let named: Vec<&str> = namespaces.iter().take(MOST_NAMED).map(String::as_str).collect();
            let more = namespaces.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} namespaces: {}{more}", namespaces.len(), named.join(", "))
        }
        Seen::Denied(_) | Seen::Failed(_) => {
            let count = |it: &ImagePullSecret| {
                it.status.as_ref().and_then(|it| it.secrets_success).unwrap_or_default()
            };
            let of =
                |it: &&ImagePullSecret| it.metadata.name.as_ref().is_some_and(|it| target.users.contains(it));
            let most = objects.iter().filter(of).map(count).max().unwrap_or_default();
            format!("{most} or more namespaces ({})", namespaces.missing().unwrap_or_default())
        }
    };
    format!(
        "Credential {} is in use by {}. Until another one is made and distributed, no Pod that starts pulls with it in \
         {where_}.\nWithout such a gap: kubectl tcr rotate {}\n",
        target.token_id,
        target.users.join(", "),
        target.name
    )
}

/// Whether the answer to a question is yes; any other answer is no.
///
/// # Errors
/// Nothing can be read.
pub fn is_yes(answer: std::io::Result<String>) -> Result<bool> {
    let answer = answer.context("cannot read an answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn objects() -> Vec<ImagePullSecret> {
        let object = |name: &str, spec: serde_json::Value, token: Option<&str>| {
            let status = json!({"tokenId": token, "secretsSuccess": 3});
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec, "status": status}))
                .unwrap()
        };
        let tcr = |kind: &str| json!({"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": {"type": kind}}});
        let docker =
            json!({"docker": {"server": "demo.tencentcloudcr.com", "username": "100", "password": "secret"}});
        vec![
            object("demo", tcr("longterm"), Some("t1")),
            object("twin", tcr("longterm"), Some("t1")),
            object("temp", tcr("temp"), None),
            object("new", tcr("longterm"), None),
            object("docker", docker, None),
        ]
    }

    #[track_caller]
    fn check(target: &str, of: Option<&str>, expected: Expect) {
        expected.assert_eq(&match find(target, of, &objects()) {
            Ok(Target { token_id, name, users }) => format!("{token_id}, asked on {name}, used by {users:?}"),
            Err(problem) => problem,
        });
    }

    #[test]
    fn a_name_is_its_credential_in_use_and_a_credential_is_asked_for_where_it_is_used() {
        check("demo", None, expect![[r#"t1, asked on demo, used by ["demo", "twin"]"#]]);
        check("t1", None, expect![[r#"t1, asked on demo, used by ["demo", "twin"]"#]]);
        check(
            "t0",
            None,
            expect![
                "there is no ImagePullSecret t0, and none whose credential in use is t0: name the one that it was made for with --of"
            ],
        );
        check("t0", Some("demo"), expect!["t0, asked on demo, used by []"]);
        check("t0", Some("absent"), expect!["--of: there is no ImagePullSecret absent"]);
        check(
            "no such/thing",
            None,
            expect![[
                r#""no such/thing" is no ImagePullSecret of this cluster and no credential: the id of a credential has up to 64 letters, digits, and - _ . $ between them"#
            ]],
        );
        check(
            "temp",
            None,
            expect![
                "temp has a temporary credential, which cannot be taken back and ends by itself within an hour: kubectl tcr rotate temp"
            ],
        );
        check("new", None, expect!["new has no credential yet: kubectl tcr status"]);
        check(
            "docker",
            None,
            expect![
                "docker has a password of spec.docker, which was not made here: change it where it was made, then in spec.docker"
            ],
        );
    }

    #[test]
    fn a_question_says_which_namespaces_would_stop() {
        let target = find("demo", None, &objects()).unwrap();
        let check = |namespaces: Seen<BTreeSet<String>>, expected: Expect| {
            expected.assert_eq(&consequences(&target, &namespaces, &objects()));
        };
        check(
            Seen::Known(["shop".to_owned(), "web".to_owned()].into()),
            expect![[r#"
            Credential t1 is in use by demo, twin. Until another one is made and distributed, no Pod that starts pulls with it in 2 namespaces: shop, web.
            Without such a gap: kubectl tcr rotate demo
        "#]],
        );
        let many: BTreeSet<String> = (0..500).map(|it| format!("n{it:03}")).collect();
        check(
            Seen::Known(many),
            expect![[r#"
            Credential t1 is in use by demo, twin. Until another one is made and distributed, no Pod that starts pulls with it in 500 namespaces: n000, n001, n002, n003, n004, n005, n006, n007, n008, n009, n010, n011, n012, n013, n014, n015, n016, n017, n018, n019 and 480 more.
            Without such a gap: kubectl tcr rotate demo
        "#]],
        );
        check(
            Seen::Denied(Right { verb: "list", resource: "secrets", namespace: None }),
            expect![[r#"
            Credential t1 is in use by demo, twin. Until another one is made and distributed, no Pod that starts pulls with it in 3 or more namespaces (you may not list secrets in the cluster).
            Without such a gap: kubectl tcr rotate demo
        "#]],
        );
    }

    #[test]
    fn only_a_yes_is_one() {
        for (answer, yes) in [("y\n", true), ("YES", true), ("", false), ("n", false), ("yesterday", false)] {
            assert_eq!(is_yes(Ok(answer.to_owned())).unwrap(), yes, "{answer:?}");
        }
    }
}
