//! `tcr-assistant render`: what the controller would write for ImagePullSecrets, without a cluster.
//!
//! All or nothing: every object is read and checked before the cloud is asked, and when anything
//! fails later, the credentials created so far are deleted again, because nobody would have them.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use distribution::secret;
use tcr::image_pull_secret::Tcr;
use tcr::rules::{self, RuleContext};
use tcr::selection::Selection;
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{self, Client};
use tencent_cloud::roles::{AllowedRole, Clients};

mod credential;
pub(crate) mod input;
mod output;
mod target;

use credential::Credentials;
use input::Object;

pub use output::Format;

/// What is to be rendered.
#[derive(Debug)]
pub struct Request {
    /// Files with ImagePullSecrets; `-` is stdin.
    pub files: Vec<PathBuf>,
    /// Whether passwords are printed as `***`.
    pub mask: bool,
    /// Whether created credentials are deleted again when done.
    pub revoke: bool,
    /// Namespaces to render for; those of the objects when there are none.
    pub namespaces: Vec<String>,
    /// The cluster's id, `cls-...`.
    pub cluster_id: Option<String>,
    /// The password for `spec.docker.passwordSecretRef`.
    pub password_file: Option<PathBuf>,
    /// Root domains that registries may be under.
    pub allowed_roots: Vec<String>,
    /// Root domains that aliases may be under besides.
    pub allowed_aliases: Vec<String>,
    /// Roles that `spec.tcr.roleArn` may name.
    pub allowed_roles: Vec<AllowedRole>,
    /// How the Secrets are printed.
    pub output: Format,
    /// How to reach Tencent Cloud.
    pub cloud: client::Settings,
}

/// Reads, checks, obtains, prints; `tell` takes one line for a person.
pub async fn run(request: Request, out: &mut dyn Write, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let Request { files, mask, revoke, namespaces, cluster_id, password_file, output, cloud, .. } = request;
    let Request { allowed_roots, allowed_aliases, allowed_roles, .. } = request;
    let arns: Vec<String> = allowed_roles.iter().map(|role| role.arn.clone()).collect();
    let context = RuleContext {
        allowed_roots: &allowed_roots,
        allowed_aliases: &allowed_aliases,
        allowed_roles: &arns,
        cluster_id: cluster_id.as_deref(),
        description_required: true,
        cluster_region: None,
    };
    let objects = check(input::read(&files)?, &context, tell)?;
    let password = password_file.as_deref().map(credential::read_password).transpose()?;
    let asks_cloud = |object: &Object| object.spec.tcr.as_ref().is_some_and(Tcr::has_credential);
    let clouds = match objects.iter().any(asks_cloud) {
        true => Some(Clients::new(Arc::new(Client::new(cloud, Chain::of_process())?), allowed_roles)),
        false => None,
    };
    let mut credentials =
        Credentials::new(clouds.as_ref(), &allowed_roots, cluster_id.as_deref(), password.as_ref());
    let printed = match render(&objects, &namespaces, mask, output, &mut credentials, tell).await {
        Ok(text) => {
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write the output")
        }
        Err(error) => Err(error),
    };
    match printed {
        Ok(()) if !revoke => Ok(()),
        Ok(()) => credentials.revoke(tell).await,
        // The first error is the one to report; what could not be deleted has been told.
        Err(error) => {
            let _ = credentials.revoke(tell).await;
            Err(error)
        }
    }
}

async fn render(
    objects: &[Object],
    namespaces: &[String],
    mask: bool,
    format: Format,
    credentials: &mut Credentials<'_>,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<String> {
    let mut secrets = Vec::new();
    for object in objects {
        if !object.spec.has_credential() {
            tell(&format!("{}: spec.tcr.credential.type is none: it leads to no Secret", object.place()));
            continue;
        }
        let selection = Selection::of(&object.spec).with_context(|| object.place())?;
        let config = credentials.config(object, tell).await.with_context(|| object.place())?;
        for namespace in target::namespaces(&object.name, &selection, namespaces, tell) {
            let secret = secret::derived(&object.name, &namespace, &config);
            secrets.push(if mask { output::masked(secret) } else { secret });
        }
        tell(&format!("{}: {}", object.place(), target::summary(&object.name, &selection)));
    }
    output::text(&secrets, format)
}

/// Reads every document as an ImagePullSecret and applies the rules. Warnings are told, and all
/// mistakes of all objects are one error, a line for each.
fn check(
    documents: Vec<input::Document>,
    context: &RuleContext<'_>,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<Object>> {
    let mut objects: Vec<Object> = Vec::new();
    let mut mistakes = Vec::new();
    for document in documents {
        let place = document.place();
        if let Some(problem) = document.not_an_image_pull_secret() {
            mistakes.push(format!("{place}: {problem}"));
            continue;
        }
        let findings = match rules::read(&document.value) {
            Err(findings) => findings,
            Ok((name, spec)) => {
                let findings = rules::check(&name, &spec, context);
                if objects.iter().any(|other| other.name == name) {
                    mistakes
                        .push(format!("{place}: metadata.name: {name:?} is also the name of another object"));
                }
                objects.push(Object { file: document.file, name, spec });
                findings
            }
        };
        mistakes.extend(findings.errors.iter().map(|finding| format!("{place}: {finding}")));
        for finding in &findings.warnings {
            tell(&format!("warning: {place}: {finding}"));
        }
    }
    match mistakes.is_empty() {
        true => Ok(objects),
        false => Err(anyhow::Error::msg(mistakes.join("\n"))),
    }
}
