//! The pages of docs/ that answer a question: every command in them is run, in order, and shows what the page shows.
//!
//! A block ```` ```console ```` has commands after `$ `, each followed by lines that it prints; `...` there is any text, and
//! other lines may stand between them. A block ```` ```yaml ```` whose first line is `# NAME` is a file of that name.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use support::{Program, eventually};

use crate::cluster::{Cluster, SOON};
use crate::world::{APP, INSTANCE, UNAUTHORIZED, World};

/// A part of a page.
#[derive(Debug, PartialEq)]
enum Part {
    File { name: String, text: String },
    Command { line: String, shows: Vec<String> },
}

/// What of a page is to be done, in order.
fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut block: Option<&str> = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (Some("console"), None) => match (line.strip_prefix("$ "), parts.last_mut()) {
                (Some(command), _) => {
                    parts.push(Part::Command { line: command.to_owned(), shows: Vec::new() })
                }
                (None, Some(Part::Command { shows, .. })) => shows.push(line.trim_end().to_owned()),
                (None, _) => {}
            },
            (Some("yaml"), None) => match (line.strip_prefix("# "), parts.last_mut()) {
                (Some(name), _) => parts.push(Part::File { name: name.to_owned(), text: String::new() }),
                (None, Some(Part::File { text, .. })) => *text += &format!("{line}\n"),
                (None, _) => {}
            },
            _ => {}
        }
    }
    parts
}

/// Whether a line is as the page has it.
fn is_shown(shown: &str, line: &str) -> bool {
    let mut rest = line;
    let mut pieces = shown.split("...").map(str::trim).filter(|piece| !piece.is_empty());
    pieces.all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = rest.get(at + piece.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

/// Where commands are run: kubectl, its plugin and helm, and nothing else of the machine's but its shell.
struct Shell {
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Shell {
    async fn of(world: &World) -> Result<Self> {
        let plane = &world.cluster.plane;
        let folder = plane.run().folder().join("page");
        let programs = folder.join("bin");
        std::fs::create_dir_all(&programs)?;
        let helm = tokio::task::spawn_blocking(|| Program::Helm.path()).await??;
        let kubectl = tokio::task::spawn_blocking(|| Program::Kubectl.path()).await??;
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_tcr-assistant"));
        for (name, program) in [("helm", &helm), ("kubectl", &kubectl), ("kubectl-tcr", &ours)] {
            std::os::unix::fs::symlink(program, programs.join(name))?;
        }
        let path = |path: &Path| path.display().to_string();
        let mut environment = vec![
            ("PATH".to_owned(), format!("{}:/usr/bin:/bin", programs.display())),
            ("HOME".to_owned(), path(&folder)),
            ("KUBECONFIG".to_owned(), path(plane.kubeconfig())),
        ];
        environment.extend(world.registry_variables());
        Ok(Self { folder, environment })
    }

    /// Does what a page says; `after` is told of each command that was done.
    async fn follow(&self, page: &str, after: &mut dyn FnMut(&str)) -> Result<()> {
        let parts = parts(page);
        ensure!(
            parts.iter().filter(|it| matches!(it, Part::Command { .. })).count() > 3,
            "the page has no commands"
        );
        for part in parts {
            match part {
                Part::File { name, text } => std::fs::write(self.folder.join(&name), text)?,
                Part::Command { line, shows } => {
                    self.run(&line, &shows).await?;
                    after(&line);
                }
            }
        }
        Ok(())
    }

    async fn run(&self, line: &str, shows: &[String]) -> Result<()> {
        let mut command = tokio::process::Command::new("bash");
        command.args(["-c", line]).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let mut lines = printed.lines();
        for shown in shows.iter().filter(|it| !it.is_empty()) {
            ensure!(
                lines.any(|line| is_shown(shown, line)),
                "`{line}` does not show {shown:?} (there):\n{printed}"
            );
        }
        // Where something is to be done, explain and status end with 1; what status says depends on Pods that run nowhere.
        let to_do = printed.contains("\"verdict\": \"fails\"")
            || printed.lines().any(|it| it.starts_with("To do: ") && it != "To do: nothing");
        let code = output.status.code();
        let is_expected = match line {
            _ if line.starts_with("kubectl tcr status") => matches!(code, Some(0 | 1)),
            _ if line.starts_with("kubectl tcr explain") => code == Some(i32::from(to_do)),
            _ => code == Some(0),
        };
        ensure!(is_expected, "`{line}` ended with {}:\n{printed}", output.status);
        Ok(())
    }
}

#[test]
fn a_page_is_read_in_order() {
    let page = "Text\n```console\n$ one\nshown ...\n\n$ two\n```\n```yaml\n# a.yaml\na: 1\n```\n```json\n$ three\n```\n";
    let command = |line: &str, shows: &[&str]| Part::Command {
        line: line.to_owned(),
        shows: shows.iter().map(|it| (*it).to_owned()).collect(),
    };
    let file = Part::File { name: "a.yaml".to_owned(), text: "a: 1\n".to_owned() };
    assert_eq!(parts(page), [command("one", &["shown ...", ""]), command("two", &[]), file]);
    assert!(is_shown("Verdict: ... (A): ...", "  Verdict: no (A): b") && !is_shown("a ... b", "b a"));
}

#[tokio::test]
async fn each_command_of_the_pages_does_what_the_page_says() -> Result<()> {
    let values = json!({
        // There are no nodes, and nobody serves.
        "webhook": {"enabled": false}, "hostsUpdater": {"enabled": false},
        "global": {"cluster": {"id": "cls-test0001"}},
    });
    let mut world = World::on(async |config| Cluster::by_chart(config, &values).await).await?;
    world.run_controller().await?;
    for name in ["shop", "team"] {
        world.cluster.namespace(name, &[]).await?;
    }
    let tcr = json!({"instanceId": INSTANCE, "region": "ap-guangzhou", "domains": ["default"]});
    world.cluster.ask("demo", json!({"namespaces": "team", "serviceAccounts": "*", "tcr": tcr})).await?;
    world.is_distributed("team").await?;
    workload(&world).await?;
    world.cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    let shell = Shell::of(&world).await?;
    let pages = [
        ("pod-does-not-start", include_str!("../../../docs/pod-does-not-start.md")),
        ("new-instance", include_str!("../../../docs/new-instance.md")),
        ("leaving", include_str!("../../../docs/leaving.md")),
    ];
    for (name, page) in pages {
        let mut after = |line: &str| {
            if line.starts_with("helm uninstall") {
                // What runs in a Deployment elsewhere.
                world.cluster.kill();
            }
        };
        shell.follow(page, &mut after).await.with_context(|| format!("docs/{name}.md"))?;
    }
    world.cluster.end();
    Ok(())
}

/// The StatefulSet `web` whose Pod was made too early.
async fn workload(world: &World) -> Result<()> {
    let set: StatefulSet = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": APP}]},
            },
        },
    }))?;
    let client = &world.cluster.client;
    Api::<StatefulSet>::namespaced(client.clone(), "shop").create(&PostParams::default(), &set).await?;
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(client.clone(), "shop");
    eventually("the Pod web-0", SOON, async || Ok(pods.get("web-0").await?)).await?;
    let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
        "name": "app", "image": APP, "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": UNAUTHORIZED}},
    }]}});
    pods.patch_status("web-0", &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}
