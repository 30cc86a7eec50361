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
