//! The add-on in clusters that Argo CD or Flux keep as a repository says: nothing that it does is a difference to them.
//!
//! Both compare by their own packages (`tests/support/argo-cd`, `tests/support/flux`), the chart as they render it and
//! what else would be in such a repository.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{ControlPlane, Program, eventually};
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::{Cloud, Config};
use tokio::io::AsyncWriteExt as _;

use crate::chart;
use crate::control_plane::endpoint;
use crate::installed::{self, Programs, Running, SOON};
use crate::steps::Steps;

/// How often what is there is compared with what the repository says.
const RECONCILES: usize = 1000;
/// The Secret that Pods need.
const SECRET: &str = "tcr.ipsdemo";

/// A tool, and how it applies and compares.
struct Tool {
    name: &'static str,
    program: Program,
    sync: &'static [&'static str],
    compare: &'static [&'static str],
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "Argo CD",
        program: Program::ArgoCd,
        sync: &["sync", "three-way"],
        compare: &["compare", "three-way"],
    },
    Tool {
        name: "Argo CD with ServerSideApply",
        program: Program::ArgoCd,
        sync: &["sync", "server-side"],
        compare: &["compare", "server-side"],
    },
    Tool { name: "Flux", program: Program::Flux, sync: &["reconcile", "1"], compare: &["reconcile"] },
];

/// Tells the story.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(steps: &mut Steps) -> Result<()> {
    // Before the network is gone.
    let paths: Vec<PathBuf> = TOOLS.iter().map(|tool| tool.program.path()).collect::<Result<_>>()?;
    installed::on_control_planes(Programs::Built, TOOLS.len(), async |number, plane, helm| {
        let story =
            Story { tool: &TOOLS[number], path: &paths[number], plane, cloud: Cloud::start(Config::demo())? };
        story.tell(steps, helm).await
    })
}

struct Story<'a> {
    tool: &'a Tool,
    path: &'a Path,
    plane: &'a ControlPlane,
    cloud: Cloud,
}

impl Story<'_> {
    async fn tell(&self, steps: &mut Steps, helm: &Path) -> Result<()> {
        let tool = self.tool.name;
        chart::prepare(self.plane, &Config::demo().accounts[0]).await?;
        let rendered = self.rendered(helm).await?;
        steps
            .step(&format!("{tool} installs the chart that it rendered"), self.run(self.tool.sync, &rendered))
            .await?;
        let _running = steps.step("the controller and the webhook run", self.start()).await?;
        let own = self.own();
        let applied = async {
            eventually("the definition", SOON, async || self.run(self.tool.sync, &own).await).await?;
            self.distributed().await
        };
        steps.step(&format!("{tool} applies an ImagePullSecret; it is distributed"), applied).await?;
        let all: Vec<Value> = rendered.iter().chain(&own).cloned().collect();
        let rounds = RECONCILES.to_string();
        let arguments = [self.tool.compare, &[rounds.as_str()][..]].concat();
        steps
            .step(&format!("{tool}: nothing differs in {rounds} reconciles"), self.run(&arguments, &all))
            .await?;
        steps.step("where a list leaves ours out, that alone is told", self.own_list(&own)).await
    }

    /// The chart's objects, as such a tool renders them: it looks at no cluster, and leaves helm's hooks out.
    async fn rendered(&self, helm: &Path) -> Result<Vec<Value>> {
        let values = json!({
            "global": {
                "cluster": {"id": "cls-12345678", "longregion": "ap-guangzhou"},
                "hosts": [{"domain": "own.tencentcloudcr.com", "ip": "10.0.0.9"}],
            },
            "cloud": {"endpoint": self.cloud.url()},
            "registry": {"check": false},
            "controller": {"replicas": 1},
            "webhook": {"replicas": 1},
        });
        let objects = chart::render(self.plane, helm, &values).await?;
        let is_hook = |object: &Value| object["metadata"]["annotations"]["helm.sh/hook"].is_string();
        Ok(objects.into_iter().filter(|it| !is_hook(it)).collect())
    }

    async fn start(&self) -> Result<(Running, Running)> {
        let (controller, webhook, _) = installed::workloads(&self.plane.client().await?).await?;
        let image = installed::image(self.plane, Programs::Built)?;
        let controller = Running::start("manager", &controller, self.plane, &image).await?;
        let webhook = Running::start("webhook", &webhook, self.plane, &image).await?;
        controller.ready().await?;
        webhook.ready().await?;
        endpoint(self.plane, &webhook.replica, true).await?;
        Ok((controller, webhook))
    }

    /// What a repository has beside the chart, after Namespaces what is in them.
    fn own(&self) -> Vec<Value> {
        let metadata = |name: &str| json!({"name": name, "namespace": "shop"});
        let template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "serviceAccountName": "robot",
                "containers": [{"name": "web", "image": "demo-vpc.tencentcloudcr.com/team/web:1"}],
            },
        });
        vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("robot")}),
            // Such a list is one value to all of these tools: it has to name ours too.
            account(&["partner", SECRET]),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web"),
                "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
            }),
            json!({
                "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "demo"},
                "spec": {
                    "namespaces": "shop",
                    "serviceAccounts": "*",
                    "tcr": {
                        "instanceId": "tcr-demo0001", "region": "ap-guangzhou", "domains": ["default", "vpc"],
                        "privateNetwork": {"resolve": true, "vpcId": "vpc-demo0001"},
                    },
                },
            }),
        ]
    }

    /// Waits until what the controller changes is changed: references, the nodes' entries, status.
    async fn distributed(&self) -> Result<()> {
        let wait = ["wait", "--for=condition=CredentialValid", "--timeout=100s", "imagepullsecret/demo"];
        self.plane.kubectl(&wait).await?.checked()?;
        eventually("references and entries", SOON, async || {
            for account in ["robot", "partner"] {
                let get =
                    ["-n", "shop", "get", "serviceaccount", account, "-o", "jsonpath={.imagePullSecrets}"];
                let list = self.plane.kubectl(&get).await?.checked()?;
                ensure!(list.contains(SECRET), "{account} has {list}");
            }
            let get =
                ["-n", SYSTEM_NAMESPACE, "get", "configmap", "updater-config", "-o", "jsonpath={.data}"];
            let entries = self.plane.kubectl(&get).await?.checked()?;
            ensure!(entries.contains("10.0.0.9") && entries.contains("10.0.0.2"), "the list is {entries}");
            Ok(())
        })
        .await?;
        // What carries a tool's own mark, and is not in the repository, is pruned.
        let get = [
            "-n",
            "shop",
            "get",
            "secret",
            SECRET,
            "-o",
            "jsonpath={.metadata.labels}{.metadata.annotations}",
        ];
        let marks = self.plane.kubectl(&get).await?.checked()?;
        ensure!(!marks.contains("argocd") && !marks.contains("fluxcd"), "the Secret carries {marks}");
        Ok(())
    }

    /// Compares with a repository whose ServiceAccount leaves ours out.
    async fn own_list(&self, own: &[Value]) -> Result<()> {
        let is_account = |it: &Value| it["metadata"]["name"] == "partner";
        let without = own.iter().map(|it| if is_account(it) { account(&["partner"]) } else { it.clone() });
        let arguments = [self.tool.compare, &["1"][..]].concat();
        let Err(error) = self.run(&arguments, &without.collect::<Vec<_>>()).await else {
            anyhow::bail!("nothing differs");
        };
        let told = format!("{error:#}");
        ensure!(told.contains("shop/partner") && told.contains("1 differ"), "{told}");
        Ok(())
    }

    /// Runs the tool on these objects; an error has what it printed.
    async fn run(&self, arguments: &[&str], objects: &[Value]) -> Result<()> {
        let mut command = self.plane.run().command(self.path);
        command.args(arguments).env("KUBECONFIG", self.plane.kubeconfig());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let mut input = tool.stdin.take().context("the tool has no input")?;
        input.write_all(list.as_bytes()).await?;
        drop(input);
        let output = tool.wait_with_output().await?;
        let [told, errors] =
            [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
        ensure!(output.status.success(), "{} {}: {told}{errors}", self.path.display(), arguments.join(" "));
        Ok(())
    }
}

fn account(list: &[&str]) -> Value {
    let list: Vec<Value> = list.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "partner", "namespace": "shop"},
        "imagePullSecrets": list,
    })
}
