//! `tcr-assistant instances`: the instances that the controller's API credential can see, compared with the
//! ImagePullSecrets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::ask;
use crate::output::Output;
use crate::reader::Reader;
use crate::table;
use custom_resource::ImagePullSecret;
use custom_resource::condition::RequestState;
use custom_resource::request::{Request, VisibleInstance};

/// The options of the command.
#[derive(Clone, Debug)]
pub struct Options {
    /// The region to list; none for every region.
    pub region: Option<String>,
    /// The ImagePullSecret on which the request is written; none for the first one without a request.
    pub through: Option<String>,
    /// How long to wait for the controller.
    pub timeout: Duration,
}

/// The instances that the API credential can see.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The region that was listed; none for every region.
    pub region: Option<String>,
    pub instances: Vec<Line>,
    /// The number of instances that were left out.
    pub more: i64,
    /// ImagePullSecrets that do not match, and what to write instead.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The instance as the cloud lists it.
    #[serde(flatten)]
    pub instance: VisibleInstance,
    /// The ImagePullSecrets that are for it.
    pub image_pull_secrets: Vec<String>,
}

/// Lists the instances. Returns whether every ImagePullSecret matches one.
///
/// # Errors
/// There is no ImagePullSecret to write the request on, the cloud refuses, or as of [`ask::ask`] and
/// [`ask::wait`].
pub async fn run(
    reader: &Reader,
    options: &Options,
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<bool> {
    let objects = reader.image_pull_secrets().await.required("ImagePullSecrets")?;
    let through = match &options.through {
        Some(name) => name.clone(),
        None => match free(&objects) {
            Some(name) => name,
            None => bail!(
                "there is no ImagePullSecret by which the controller could be asked: create one; its spec may name an \
                 instance that is not there"
            ),
        },
    };
    let request = Request::Instances { region: options.region.clone() };
    let asked = ask::ask(reader, &through, request).await?;
    let answer = ask::wait(reader, &through, &asked, options.timeout, tell).await?.request;
    if answer.state() != Some(RequestState::Done) {
        bail!("the controller cannot list instances: {}", answer.message);
    }
    ask::take_off(reader, &through).await;
    let more = answer.more_instances.unwrap_or_default();
    let report = report(options.region.clone(), answer.instances, more, &objects);
    output.print(&report, text, out)?;
    Ok(report.problems.is_empty())
}

/// The ImagePullSecret to write the request on: preferably one that has none yet.
fn free(objects: &[ImagePullSecret]) -> Option<String> {
    let lives = objects.iter().filter(|it| it.metadata.deletion_timestamp.is_none());
    let is_asked = |it: &&ImagePullSecret| it.status.as_ref().is_some_and(|it| it.request.is_some());
    lives.min_by_key(is_asked).and_then(|it| it.metadata.name.clone())
}

fn report(
    region: Option<String>,
    instances: Vec<VisibleInstance>,
    more: i64,
    objects: &[ImagePullSecret],
) -> Report {
    let mut lines: BTreeMap<String, Line> = instances
        .into_iter()
        .map(|instance| (instance.id.clone(), Line { instance, image_pull_secrets: Vec::new() }))
        .collect();
    let mut problems = Vec::new();
    for object in objects {
        let Some(tcr) = &object.spec.tcr else { continue };
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let Some(line) = lines.get_mut(&tcr.instance_id) else {
            // Nothing is known of instances of other regions, or of those left out.
            let is_asked = region.as_ref().is_none_or(|it| *it == tcr.region) && more == 0;
            if is_asked {
                problems.push(format!(
                    "{name}: spec.tcr.instanceId is {}, which the API credential cannot see: compare it with the list, and \
                     the account that the credential is of with the one that owns the instance",
                    tcr.instance_id
                ));
            }
            continue;
        };
        line.image_pull_secrets.push(name.to_owned());
        let VisibleInstance { id, region, status, .. } = &line.instance;
        if !region.is_empty() && *region != tcr.region {
            problems.push(format!(
                "{name}: spec.tcr.region is {}, and {id} is in {region}: write region: {region}",
                tcr.region
            ));
        }
        if status != "Running" {
            problems.push(format!("{name}: {id} is {status} and not Running: look at it in the console"));
        }
    }
    Report { region, instances: lines.into_values().collect(), more, problems }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let head = ["ID", "NAME", "REGION", "STATUS", "DOMAIN", "IMAGEPULLSECRETS"].map(str::to_owned);
    let rows = report.instances.iter().map(|Line { instance: it, image_pull_secrets }| {
        let used = if image_pull_secrets.is_empty() { "-".to_owned() } else { image_pull_secrets.join(",") };
        [it.id.clone(), it.name.clone(), it.region.clone(), it.status.clone(), it.domain.clone(), used]
    });
    let place = report.region.as_ref().map_or_else(|| "any region".to_owned(), Clone::clone);
    match report.instances.is_empty() {
        true => drop(writeln!(out, "The API credential can see no instance in {place}.")),
        false => table::write(&mut out, std::iter::once(head).chain(rows).collect()),
    }
    if report.more > 0 {
        let _ = writeln!(out, "and {} more: narrow the list with --region", report.more);
    }
    if !report.problems.is_empty() {
        out.push_str("\nDoes not fit:\n");
    }
    for problem in &report.problems {
        let _ = writeln!(out, "  {problem}");
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn object(name: &str, id: &str, region: &str) -> ImagePullSecret {
        let spec = json!({"tcr": {"instanceId": id, "region": region}});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    fn instance(id: &str, region: &str, status: &str) -> VisibleInstance {
        let text = str::to_owned;
        VisibleInstance {
            id: text(id),
            name: text("demo"),
            region: text(region),
            status: text(status),
            domain: text("demo.tencentcloudcr.com"),
        }
    }

    #[track_caller]
    fn check(region: Option<&str>, instances: &[VisibleInstance], more: i64, expected: Expect) {
        let objects = [
            object("right", "tcr-a", "ap-guangzhou"),
            object("elsewhere", "tcr-a", "ap-shanghai"),
            object("unseen", "tcr-c", "ap-guangzhou"),
            object("isolated", "tcr-b", "ap-beijing"),
        ];
        expected.assert_eq(&text(&report(region.map(str::to_owned), instances.to_vec(), more, &objects)));
    }

    #[test]
    fn what_does_not_fit_is_said_with_what_to_write() {
        let all = [
            instance("tcr-b", "ap-beijing", "Isolate"),
            instance("tcr-a", "ap-guangzhou", "Running"),
            instance("tcr-z", "ap-tokyo", "Running"),
        ];
        check(
            None,
            &all,
            0,
            expect![[r#"
            ID      NAME   REGION         STATUS    DOMAIN                    IMAGEPULLSECRETS
            tcr-a   demo   ap-guangzhou   Running   demo.tencentcloudcr.com   right,elsewhere
            tcr-b   demo   ap-beijing     Isolate   demo.tencentcloudcr.com   isolated
            tcr-z   demo   ap-tokyo       Running   demo.tencentcloudcr.com   -

            Does not fit:
              elsewhere: spec.tcr.region is ap-shanghai, and tcr-a is in ap-guangzhou: write region: ap-guangzhou
              unseen: spec.tcr.instanceId is tcr-c, which the API credential cannot see: compare it with the list, and the account that the credential is of with the one that owns the instance
              isolated: tcr-b is Isolate and not Running: look at it in the console
        "#]],
        );
    }

    #[test]
    fn of_what_was_not_listed_nothing_is_said() {
        check(
            Some("ap-guangzhou"),
            &[instance("tcr-a", "ap-guangzhou", "Running")],
            0,
            expect![[r#"
            ID      NAME   REGION         STATUS    DOMAIN                    IMAGEPULLSECRETS
            tcr-a   demo   ap-guangzhou   Running   demo.tencentcloudcr.com   right,elsewhere

            Does not fit:
              elsewhere: spec.tcr.region is ap-shanghai, and tcr-a is in ap-guangzhou: write region: ap-guangzhou
              unseen: spec.tcr.instanceId is tcr-c, which the API credential cannot see: compare it with the list, and the account that the credential is of with the one that owns the instance
        "#]],
        );
        check(
            None,
            &[instance("tcr-a", "ap-guangzhou", "Running")],
            7,
            expect![[r#"
            ID      NAME   REGION         STATUS    DOMAIN                    IMAGEPULLSECRETS
            tcr-a   demo   ap-guangzhou   Running   demo.tencentcloudcr.com   right,elsewhere
            and 7 more: narrow the list with --region

            Does not fit:
              elsewhere: spec.tcr.region is ap-shanghai, and tcr-a is in ap-guangzhou: write region: ap-guangzhou
        "#]],
        );
        check(
            Some("ap-tokyo"),
            &[],
            0,
            expect![[r#"
            The API credential can see no instance in ap-tokyo.
        "#]],
        );
    }
}
