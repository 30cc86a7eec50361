//! What admission does to Pods, or does not.

use super::*;

impl Broken<'_> {
    pub(super) async fn opted_out(&mut self) -> Result<()> {
        self.namespace().await?;
        self.partner().await?;
        let image = self.image().await?;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "namespace": self.name(),
                "annotations": {"tcr.tencentcloudcr.com/inject": "false"},
            },
            "spec": own_list(&image),
        });
        eventually("the namespace to take a Pod", LONG, async || {
            self.world.nodes.plane().apply(&pod.to_string()).await.map(drop)
        })
        .await?;
        self.fails().await?;
        self.again(&image, own_list(&image)).await?;
        self.runs().await
    }

    /// A Pod runs, and an ephemeral container with an image of the registry comes to it.
    pub(super) async fn debug_container(&mut self) -> Result<()> {
        self.namespace().await?;
        self.partner().await?;
        let image = self.image().await?;
        let local = "localhost/pause:1";
        let container = json!({"name": "app", "image": local, "imagePullPolicy": "IfNotPresent"});
        self.pod(local, json!({"containers": [container], "imagePullSecrets": [{"name": "partner"}]}))
            .await?;
        self.world.runs(self.name(), "web").await?;
        let debug = ["-n", self.name(), "debug", "web", "--image", &image, "--attach=false"];
        self.world.kubectl(&debug).await?;
        self.fails().await?;
        self.world.kubectl(&[&debug[..], &["--copy-to=web-debug"]].concat()).await?;
        self.runs_as("web-debug").await
    }

    /// A Secret of somebody's own for another registry.
    async fn partner(&self) -> Result<()> {
        let create = ["-n", self.name(), "create", "secret", "docker-registry", "partner"];
        let rest = ["--docker-server=registry.example.com", "--docker-username=u", "--docker-password=p"];
        self.world.kubectl(&[&create[..], &rest].concat()).await.map(drop)
    }
}

/// A Pod's spec with a list of its own, so that it does not get its ServiceAccount's.
fn own_list(image: &str) -> Value {
    json!({"imagePullSecrets": [{"name": "partner"}], "containers": [{"name": "app", "image": image}]})
}
