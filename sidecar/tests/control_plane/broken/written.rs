//! What the controller writes.

use super::*;

impl Broken<'_> {
    pub(super) async fn of_somebody_else(&self) -> Result<()> {
        let others = json!({"namespaces": format!("*,!{}", self.name())});
        self.world.cluster.change("demo", others).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        let own = json!({"auths": {"other.example.com": {"auth": "dTpw"}}});
        self.world.pull_secret(self.name(), SECRET, own).await?;
        self.world.cluster.change("demo", as_usual()).await?;
        self.world.cluster.expect_condition("demo", "Conflicts", "True", "ForeignSecret").await?;
        self.pod(APP, listing(&[SECRET]), UNAUTHORIZED).await?;
        self.fails().await?;
        self.kubectl(&["-n", self.name(), "delete", "secret", SECRET]).await?;
        self.pulls().await
    }

    /// Somebody's program writes whenever the controller did.
    pub(super) async fn changed_back(&self) -> Result<()> {
        self.namespace().await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        tokio::select! {
            stopped = self.change_back() => stopped,
            told = self.fails() => told,
        }?;
        self.pulls().await
    }

    async fn change_back(&self) -> Result<()> {
        let empty = r#"{"data":{".dockerconfigjson":"e30="}}"#;
        loop {
            self.kubectl(&["-n", self.name(), "patch", "secret", SECRET, "--type=merge", "-p", empty])
                .await?;
        }
    }

    pub(super) async fn over_quota(&self) -> Result<()> {
        let others = json!({"namespaces": format!("*,!{}", self.name())});
        self.world.cluster.change("demo", others).await?;
        self.world.cluster.namespace(self.name(), &[]).await?;
        self.kubectl(&["-n", self.name(), "create", "quota", "secrets", "--hard=count/secrets=0"]).await?;
        eventually("the quota to hold", SOON, async || {
            let hard = ["-n", self.name(), "get", "quota", "secrets", "-o", "jsonpath={.status.hard}"];
            ensure!(self.kubectl(&hard).await?.contains("count/secrets"), "it has no status");
            Ok(())
        })
        .await?;
        self.world.cluster.change("demo", as_usual()).await?;
        self.pod(APP, listing(&[SECRET]), UNAUTHORIZED).await?;
        self.fails().await?;
        self.kubectl(&["-n", self.name(), "delete", "quota", "secrets"]).await?;
        self.pulls().await
    }

    pub(super) async fn refused_by_policy(&self) -> Result<()> {
        let (name, group) = (self.name(), "admissionregistration.k8s.io/v1");
        let policy = json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["serviceaccounts"],
                }]},
                "validations": [{
                    "expression": "object.metadata.name != 'guarded'",
                    "message": "ServiceAccount guarded is changed by its owners only",
                }],
            },
        });
        let binding = json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        self.world.cluster.plane.apply(&crate::chart::list([policy, binding])).await?;
        let others = json!({"namespaces": format!("*,!{name}")});
        self.world.cluster.change("demo", others).await?;
        self.world.cluster.namespace(name, &[]).await?;
        self.kubectl(&["-n", name, "create", "serviceaccount", "guarded"]).await?;
        let mut tries = 0;
        eventually("the policy to hold", SOON, async || {
            tries += 1;
            // Without a change nothing is asked.
            let other = format!("tries={tries}");
            let label = ["-n", name, "label", "serviceaccount", "guarded", &other, "--overwrite"];
            let tried = self.world.cluster.plane.kubectl(&label).await?;
            ensure!(!tried.success && tried.stderr.contains("by its owners only"), "{}", tried.stderr);
            Ok(())
        })
        .await?;
        self.world.cluster.change("demo", as_usual()).await?;
        self.world.is_distributed(name).await?;
        let guarded = json!({"spec": {"serviceAccountName": "guarded"}});
        self.pod(APP, guarded.clone(), UNAUTHORIZED).await?;
        self.fails().await?;
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            self.kubectl(&["delete", kind, name]).await?;
        }
        eventually("the controller to try again", AFTER_RETRIES, async || {
            self.world.refers_to(name, "guarded", SECRET).await
        })
        .await?;
        self.again(APP, guarded).await?;
        self.pulls().await
    }

    pub(super) async fn controller_away(&mut self) -> Result<()> {
        self.namespace().await?;
        self.pod(APP, json!({}), UNAUTHORIZED).await?;
        self.world.cluster.kill();
        self.kubectl(&["-n", self.name(), "delete", "secret", SECRET]).await?;
        self.world.lease_runs_out().await?;
        self.fails().await?;
        self.world.run_controller().await?;
        self.pulls().await
    }
}
