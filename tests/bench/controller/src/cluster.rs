//! The control plane with its namespaces, and what is asked for in it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use custom_resource::ImagePullSecret;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use support::{ControlPlane, Identity, Options, eventually};
use tcr_cloud::Cloud;

use crate::subject::Subject;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);
/// Calls at a time, as many as the controller writes at a time.
pub(crate) const CONCURRENCY: usize = 32;
/// What the controller needs of the manifests.
const NEEDED: [&str; 6] =
    ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
/// Namespaces in which only the raw writer works.
pub(crate) const RAW_PREFIX: &str = "raw-";

pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    /// Namespaces that were made, and ServiceAccounts in each.
    pub(crate) size: usize,
    pub(crate) accounts: usize,
    program: PathBuf,
}

impl Cluster {
    /// A control plane with the custom resource and the controller's roles.
    pub(crate) async fn start(program: PathBuf) -> Result<Self> {
        let options = Options {
            // The root CA's ConfigMap in each namespace is nothing to us, and doubles the time to make one.
            controller_manager_flags: vec![
                "--controllers=*,-root-ca-certificate-publisher-controller".to_owned(),
            ],
            ..Options::default()
        };
        let plane = ControlPlane::start(options).await?;
        let client = plane.client().await?;
        plane.apply(&custom_resource::yaml()?).await?;
        let manifests =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../artifacts/manifests/tcr-assistant.yaml");
        let manifests = std::fs::read_to_string(manifests).context("cannot read the manifests")?;
        let is_needed = |document: &&str| {
            NEEDED.iter().any(|kind| document.lines().any(|line| line == format!("kind: {kind}")))
        };
        let needed: Vec<&str> = manifests.split("\n---\n").filter(is_needed).collect();
        plane.apply(&needed.join("\n---\n")).await?;
        let cluster = Self { plane, client, size: 0, accounts: 0, program };
        eventually("the custom resource", PATIENCE, async || {
            Ok(cluster.objects().list(&ListParams::default()).await?)
        })
        .await?;
        Ok(cluster)
    }

    /// The program that is measured.
    pub(crate) fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// The name of the namespace of this number.
    pub(crate) fn name(index: usize) -> String {
        format!("ns-{index:05}")
    }

    /// The name of the ServiceAccount of this number in each namespace.
    pub(crate) fn account(index: usize) -> String {
        if index == 0 { "default".to_owned() } else { format!("robot-{index}") }
    }

    /// Makes so many namespaces with so many ServiceAccounts, beside those that there are.
    pub(crate) async fn grow(&mut self, size: usize, accounts: usize) -> Result<()> {
        let (before, accounts_before) = (self.size, self.accounts);
        let made = |index: usize| {
            let client = self.client.clone();
            async move {
                let name = Self::name(index);
                if index >= before {
                    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
                    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
                }
                let first = if index < before { accounts_before } else { 0 };
                for account in first..accounts {
                    let account: ServiceAccount =
                        serde_json::from_value(json!({"metadata": {"name": Self::account(account)}}))?;
                    let api = Api::<ServiceAccount>::namespaced(client.clone(), &name);
                    match api.create(&PostParams::default(), &account).await {
                        // kube-controller-manager was faster.
                        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
                        other => drop(other?),
                    }
                }
                anyhow::Ok(())
            }
        };
        futures::stream::iter((0..size).map(made)).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        (self.size, self.accounts) = (size, accounts);
        Ok(())
    }

    /// Starts the controller and waits until it is ready.
    pub(crate) async fn controller(&self) -> Result<Subject> {
        let identity = Identity::service_account("tcr-assistant-system", "tcr-assistant-manager");
        let kubeconfig = self.plane.kubeconfig_for(&identity).await?;
        Subject::start(&self.program, &self.plane, &kubeconfig, None).await
    }

    /// The same, with this cloud.
    pub(crate) async fn controller_of(&self, cloud: &Cloud) -> Result<Subject> {
        let identity = Identity::service_account("tcr-assistant-system", "tcr-assistant-manager");
        let kubeconfig = self.plane.kubeconfig_for(&identity).await?;
        Subject::start(&self.program, &self.plane, &kubeconfig, Some(cloud)).await
    }

    /// Asks for a Secret in every namespace of [`Cluster::name`]'s and those that are made for latencies.
    pub(crate) async fn ask(&self, name: &str) -> Result<()> {
        let object: ImagePullSecret = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"namespaces": "ns-*,new-*", "docker": docker(0)},
        }))?;
        self.objects().create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Gives one another password, so that every copy has to be written.
    pub(crate) async fn rotate(&self, name: &str, round: usize) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"docker": docker(round)}}));
        self.objects().patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Deletes one and waits until it is gone.
    pub(crate) async fn withdraw(&self, name: &str) -> Result<()> {
        self.objects().delete(name, &kube::api::DeleteParams::default()).await?;
        eventually(&format!("{name} to be gone"), PATIENCE, async || {
            ensure!(self.objects().get_opt(name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    }

    pub(crate) fn objects(&self) -> Api<ImagePullSecret> {
        Api::all(self.client.clone())
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// A credential of the size that TCR's have.
fn docker(round: usize) -> serde_json::Value {
    json!({"server": "demo.tencentcloudcr.com", "username": "100012345678", "password": password(round)})
}

/// About as long as a long-term token, which is a JWT.
pub(crate) fn password(round: usize) -> String {
    format!("{round:06}{}", "x".repeat(700))
}
