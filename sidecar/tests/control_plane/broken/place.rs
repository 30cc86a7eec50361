//! Which image, which namespace, which ServiceAccount.

use super::*;

impl Broken<'_> {
    /// The Pod names another image than there is.
    pub(super) async fn image(&self, wrong: &str, words: &str) -> Result<()> {
        self.namespace().await?;
        self.pod(wrong, json!({}), words).await?;
        self.fails().await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }

    pub(super) async fn never_pushed(&self) -> Result<()> {
        self.namespace().await?;
        self.pod("demo.tencentcloudcr.com/team/new:v1", json!({}), NOT_FOUND).await?;
        self.fails().await?;
        self.world.push("team/new:v1").await?;
        self.pulls().await
    }

    /// The ImagePullSecret does not select the namespace until it says `right`.
    pub(super) async fn not_listed(&self, wrong: Value, right: &[&str]) -> Result<()> {
        self.world.cluster.change("demo", wrong).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        self.fails().await?;
        self.world.cluster.change("demo", json!({"namespaces": right.join(",")})).await?;
        self.world.is_distributed(self.name()).await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }

    pub(super) async fn without_label(&self) -> Result<()> {
        let selector = json!({"namespaceSelector": {"matchLabels": {"registry": "demo"}}});
        self.world.cluster.change("demo", selector).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        self.fails().await?;
        self.kubectl(&["label", "namespace", self.name(), "registry=demo"]).await?;
        self.world.is_distributed(self.name()).await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }

    /// `spec.serviceAccounts` is this, and then that; where that is nothing, the Pod gets another ServiceAccount.
    pub(super) async fn account(&self, wrong: &str, right: &str) -> Result<()> {
        self.world.cluster.change("demo", json!({"serviceAccounts": wrong})).await?;
        self.namespace().await?;
        self.kubectl(&["-n", self.name(), "create", "serviceaccount", "robot"]).await?;
        let robot = json!({"spec": {"serviceAccountName": "robot"}});
        self.pod(APP, robot.clone(), UNAUTHORIZED).await?;
        self.fails().await?;
        if right.is_empty() {
            self.again(APP, json!({})).await?;
            return self.pulls().await;
        }
        self.world.cluster.change("demo", json!({"serviceAccounts": right})).await?;
        self.world.is_referred_to(self.name(), "robot").await?;
        self.again(APP, robot).await?;
        self.pulls().await
    }

    pub(super) async fn domain_not_listed(&self) -> Result<()> {
        self.namespace().await?;
        self.pod("demo-vpc.tencentcloudcr.com/team/app:v1", json!({}), UNAUTHORIZED).await?;
        self.fails().await?;
        self.world.cluster.change("demo", json!({"tcr": {"domains": ["default", "vpc"]}})).await?;
        self.pulls().await
    }

    pub(super) async fn not_asked_for(&self) -> Result<()> {
        self.namespace().await?;
        let image = "warehouse.tencentcloudcr.com/team/app:v1";
        self.pod(image, json!({}), UNAUTHORIZED).await?;
        self.fails().await?;
        let docker = self.world.docker("warehouse.tencentcloudcr.com");
        self.world.cluster.ask("warehouse", json!({"namespaces": self.name(), "docker": docker})).await?;
        self.world.refers_to(self.name(), "default", "tcr.ipswarehouse").await?;
        self.again(image, json!({})).await?;
        self.pulls().await?;
        self.world.cluster.delete("warehouse").await
    }

    pub(super) async fn being_deleted(&self) -> Result<()> {
        let (name, others) = (self.name(), json!({"namespaces": format!("*,!{}", self.name())}));
        self.world.cluster.change("demo", others).await?;
        let spec = json!({"namespaces": name, "tcr": usual()["tcr"]});
        self.world.cluster.ask(name, spec.clone()).await?;
        self.world.cluster.namespace(name, &[]).await?;
        let secret = format!("tcr.ips{name}");
        self.world.refers_to(name, "default", &secret).await?;
        self.pod(APP, listing(&[&secret]), UNAUTHORIZED).await?;
        let object = format!("imagepullsecret/{name}");
        let wait = r#"[{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/wait"}]"#;
        self.kubectl(&["patch", &object, "--type=json", "-p", wait]).await?;
        self.kubectl(&["delete", &object, "--wait=false"]).await?;
        self.fails().await?;
        let gone = r#"{"metadata": {"finalizers": null}}"#;
        self.world.secret_is_gone(name, &secret).await?;
        self.kubectl(&["patch", &object, "--type=merge", "-p", gone]).await?;
        self.world.cluster.ask(name, spec).await?;
        self.pulls().await?;
        self.world.cluster.delete(name).await
    }

    pub(super) async fn made_before(&self) -> Result<()> {
        let others = json!({"namespaces": format!("*,!{}", self.name())});
        self.world.cluster.change("demo", others).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        self.world.cluster.change("demo", as_usual()).await?;
        self.world.is_distributed(self.name()).await?;
        self.fails().await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }

    pub(super) async fn static_pod(&self) -> Result<()> {
        self.namespace().await?;
        let mirror = json!({
            "metadata": {"annotations": {"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.hash": "0123"}},
            "spec": {"nodeName": "node-a"},
        });
        self.pod(APP, mirror, UNAUTHORIZED).await?;
        self.fails().await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }
}
