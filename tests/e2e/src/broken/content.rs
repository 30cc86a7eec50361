//! The image itself, and where its layers come from.

use std::path::PathBuf;

use super::*;

impl Broken<'_> {
    pub(super) async fn storage_answers(&mut self, status: u16) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        self.storage()?.answers(status);
        let told = async {
            self.pod(&image, json!({})).await?;
            self.fails().await
        }
        .await;
        self.storage()?.answers(0);
        told?;
        self.runs().await
    }

    fn storage(&self) -> Result<&world::storage::Storage> {
        self.world.storage.as_ref().context("there is no storage")
    }

    pub(super) async fn storage_away(&mut self) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        self.on_node("ip route add unreachable 10.200.0.3").await?;
        let told = async {
            self.pod(&image, json!({})).await?;
            self.fails().await
        }
        .await;
        self.on_node("ip route del unreachable 10.200.0.3").await?;
        told?;
        self.runs().await
    }

    pub(super) async fn no_variant(&mut self) -> Result<()> {
        self.namespace().await?;
        let (name, program) = (format!("{}:v1", self.repository()), self.world.program());
        let other = if std::env::consts::ARCH == "aarch64" { "amd64" } else { "arm64" };
        let image = Image::for_architecture(&self.world.archive(), &program, other)?;
        self.world.push(&name, &image).await?;
        self.pod(&format!("{DEFAULT_DOMAIN}/{name}"), json!({})).await?;
        self.fails().await?;
        self.image().await?;
        self.runs().await
    }

    pub(super) async fn layer_missing(&mut self) -> Result<()> {
        self.namespace().await?;
        let (name, program) = (format!("{}:v1", self.repository()), self.world.program());
        let image = Image::of_program(&self.world.archive(), &program)?;
        self.world.push(&name, &image).await?;
        std::fs::remove_file(self.largest_blob()?)?;
        self.pod(&format!("{DEFAULT_DOMAIN}/{name}"), json!({})).await?;
        self.fails().await?;
        self.world.push(&name, &image).await?;
        self.runs().await
    }

    /// Something between changes a byte.
    pub(super) async fn layer_damaged(&mut self) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        let blob = self.largest_blob()?;
        let right = std::fs::read(&blob)?;
        let mut wrong = right.clone();
        *wrong.last_mut().context("the layer is empty")? ^= 1;
        std::fs::write(&blob, wrong)?;
        self.pod(&image, json!({})).await?;
        let told = self.fails().await;
        std::fs::write(&blob, right)?;
        told?;
        self.runs().await
    }

    /// The layer that was pushed last.
    fn largest_blob(&self) -> Result<PathBuf> {
        let blobs = self.world.registry.storage().join("docker/registry/v2/blobs/sha256");
        let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
        for folder in std::fs::read_dir(&blobs)?.flatten() {
            for blob in std::fs::read_dir(folder.path())?.flatten() {
                let data = blob.path().join("data");
                let about = std::fs::metadata(&data)?;
                // A manifest and a configuration are small.
                if about.len() > 100 << 10 {
                    found.push((about.modified()?, data));
                }
            }
        }
        found.into_iter().max().map(|(_, path)| path).context("nothing was pushed")
    }

    pub(super) async fn never_there(&mut self) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        self.pod(&image, never(&image)).await?;
        self.fails().await?;
        self.again(&image, json!({})).await?;
        self.runs().await
    }

    /// The image is on the node, pulled for another Secret.
    pub(super) async fn never_verified(&mut self) -> Result<()> {
        self.namespace().await?;
        let image = self.image().await?;
        let (username, password) = (&self.world.pusher.username, &self.world.pusher.password);
        let config =
            json!({"auths": {DEFAULT_DOMAIN: {"username": username, "password": password}}}).to_string();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "partner", "namespace": "outside"}, "stringData": {".dockerconfigjson": config},
        });
        self.world.kubectl(&["create", "namespace", "outside"]).await?;
        self.world.nodes.plane().apply(&secret.to_string()).await?;
        self.world
            .pod("outside", "first", &image, json!({"imagePullSecrets": [{"name": "partner"}]}))
            .await?;
        self.world.runs("outside", "first").await?;
        self.pod(&image, never(&image)).await?;
        self.fails().await?;
        self.again(&image, json!({})).await?;
        self.runs().await
    }
}

fn never(image: &str) -> Value {
    json!({"containers": [{"name": "app", "image": image, "imagePullPolicy": "Never"}]})
}
