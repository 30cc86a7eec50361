//! The credential: at the cloud, at the registry, in `spec.docker`.

use tcr_cloud::{Account, VpcLink};

use super::*;

const WAREHOUSE: &str = "warehouse.tencentcloudcr.com";

impl Broken<'_> {
    /// An ImagePullSecret of its own that has no credential at first, and a Pod that refers to its Secret, as admission has
    /// it.
    async fn without_credential(&self, image: &str, spec: Value) -> Result<()> {
        let others = json!({"namespaces": format!("*,!{}", self.name())});
        self.world.cluster.change("demo", others).await?;
        self.world.cluster.ask(self.name(), spec).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.pod(image, listing(&[&format!("tcr.ips{}", self.name())]), UNAUTHORIZED).await?;
        self.fails().await
    }

    async fn has_credential(&self) -> Result<()> {
        self.pulls().await?;
        self.world.cluster.delete(self.name()).await
    }

    pub(super) async fn password_not_given(&self) -> Result<()> {
        let reference = json!({"name": "warehouse-password", "key": "password"});
        let docker = json!({
            "server": WAREHOUSE, "username": self.world.pusher.username, "passwordSecretRef": reference,
        });
        let image = format!("{WAREHOUSE}/team/app:v1");
        self.without_credential(&image, json!({"namespaces": self.name(), "docker": docker})).await?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": "warehouse-password", "namespace": "tcr-assistant-system",
                "labels": {"tcr.tencentcloudcr.com/password": "true"},
            },
            "stringData": {"password": self.world.pusher.password},
        });
        self.world.cluster.plane.apply(&secret.to_string()).await?;
        self.has_credential().await
    }

    pub(super) async fn password_mistyped(&self) -> Result<()> {
        let right = self.world.docker(WAREHOUSE);
        let mut wrong = right.clone();
        wrong["password"] = json!(crate::world::WRONG);
        let image = format!("{WAREHOUSE}/team/app:v1");
        self.without_credential(&image, json!({"namespaces": self.name(), "docker": wrong})).await?;
        self.world.cluster.change(self.name(), json!({"docker": right})).await?;
        self.has_credential().await
    }

    /// `spec.tcr` is as usual but for this, until it is that.
    pub(super) async fn instance(&self, wrong: Value, right: Value) -> Result<()> {
        self.without_credential(APP, self.own_spec(wrong)).await?;
        self.world.cluster.change(self.name(), json!({"tcr": right})).await?;
        self.has_credential().await
    }

    /// As usual, with a credential of its own.
    fn own_spec(&self, change: Value) -> Value {
        let mut tcr = usual()["tcr"].clone();
        tcr["credential"] = json!({"description": format!("of {}", self.name())});
        if let (Some(tcr), Value::Object(change)) = (tcr.as_object_mut(), change) {
            tcr.extend(change);
        }
        json!({"namespaces": self.name(), "tcr": tcr})
    }

    pub(super) async fn cloud_rights(&self) -> Result<()> {
        let all_but =
            ["tcr:Describe*", "tcr:ModifyInstanceToken", "tcr:DeleteInstanceToken", "tcr:PullRepository"];
        self.may(&all_but)?;
        let told = self.without_credential(APP, self.own_spec(json!({}))).await;
        self.may(&["tcr:*"])?;
        told?;
        self.has_credential().await
    }

    pub(super) async fn may_not_pull(&self) -> Result<()> {
        self.namespace().await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        self.may(&[
            "tcr:CreateInstanceToken",
            "tcr:Describe*",
            "tcr:ModifyInstanceToken",
            "tcr:DeleteInstanceToken",
        ])?;
        let told = self.fails().await;
        self.may(&["tcr:*"])?;
        told?;
        self.pulls().await
    }

    /// What CAM grants the identity that signs.
    fn may(&self, actions: &[&str]) -> Result<()> {
        let allow = actions.iter().map(|it| (*it).to_owned()).collect();
        let id = Account::demo().secret_id;
        ensure!(
            self.world.cluster.cloud.update_account(&id, |it| it.allow = allow),
            "there is no account {id}"
        );
        Ok(())
    }

    pub(super) async fn isolated(&self) -> Result<()> {
        self.instance_is("Isolate")?;
        let told = self.without_credential(APP, self.own_spec(json!({}))).await;
        self.instance_is("Running")?;
        told?;
        self.has_credential().await
    }

    fn instance_is(&self, status: &str) -> Result<()> {
        let found = self.world.cluster.cloud.update_instance(INSTANCE, |it| it.status = status.to_owned());
        ensure!(found, "there is no instance {INSTANCE}");
        Ok(())
    }

    pub(super) async fn switched_off(&mut self) -> Result<()> {
        self.namespace().await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        let status = ["get", "imagepullsecret", "demo", "-o", "jsonpath={.status.tokenId}"];
        let id = self.kubectl(&status).await?;
        ensure!(
            self.world.cluster.cloud.update_token(&id, |token| token.enabled = false),
            "there is no token {id}"
        );
        self.fails().await?;
        // What a rollout comes to.
        self.world.cluster.kill();
        self.world.run_controller().await?;
        self.pulls().await
    }

    pub(super) async fn link_missing(&self) -> Result<()> {
        self.namespace().await?;
        let private = json!({"tcr": {"privateNetwork": {"resolve": true, "vpcId": "vpc-other001"}}});
        self.world.cluster.change("demo", private).await?;
        self.world.cluster.expect_condition("demo", "PrivateLink", "False", "NoLink").await?;
        let words = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to do \
                     request: Head \"https://{host}/v2/team/app/manifests/v1\": dial tcp 43.1.2.3:443: i/o timeout";
        self.pod(APP, json!({}), words).await?;
        self.fails().await?;
        let connected = self.world.cluster.cloud.update_instance(INSTANCE, |it| {
            let links = it.links.get_or_insert_default();
            links.push(VpcLink::running("vpc-other001", "subnet-other001", "10.0.0.9"));
        });
        ensure!(connected, "there is no instance {INSTANCE}");
        eventually("the link", AFTER_RETRIES, async || {
            self.world.cluster.expect_condition("demo", "PrivateLink", "True", "Running").await
        })
        .await?;
        self.again(APP, json!({})).await?;
        self.pulls().await
    }
}
