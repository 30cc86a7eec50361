//! A real control plane: what it gives, what it survives, and that nothing of it is left.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, ListParams};
use support::{ControlPlane, Identity, Options, Part, Program, Run, eventually};

const READER: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
";

#[tokio::test]
async fn a_namespace_gets_its_service_account_and_kubectl_its_answers() -> Result<()> {
    ControlPlane::with(Options { audit: true, ..Options::default() }, async |plane| {
        let made = plane.kubectl(&["create", "namespace", "shop"]).await?.checked()?;
        assert_eq!(made, "namespace/shop created\n");
        let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().await?, "shop");
        eventually("shop's ServiceAccount", Duration::from_secs(20), async || {
            Ok(accounts.get("default").await?)
        })
        .await?;

        let version = plane.kubectl(&["version"]).await?.checked()?;
        assert!(
            version.contains("Client Version: v1.35.4") && version.contains("Server Version: v1.35.4"),
            "{version}"
        );
        let refused = plane.kubectl(&["get", "pods", "-n", "shop", "no-such-pod"]).await?;
        assert!(!refused.success);
        let error = refused.checked().unwrap_err().to_string();
        assert!(
            error.starts_with("`kubectl get pods -n shop no-such-pod` failed: Error from server (NotFound)"),
            "{error}"
        );

        acts_as_exactly_the_service_account(plane).await?;
        acts_as_exactly_the_user(plane).await?;
        let (one, other) = (plane.namespace("team").await?, plane.namespace("team").await?);
        assert!(one.starts_with("team-") && one != other);
        Ok(())
    })
    .await
}

async fn acts_as_exactly_the_service_account(plane: &ControlPlane) -> Result<()> {
    plane.apply(READER).await?;
    let reader = Identity::service_account("shop", "default");
    let maps: Api<ConfigMap> = Api::namespaced(plane.client_for(&reader).await?, "shop");
    // RBAC's own view of a new binding follows within moments.
    eventually("the role", Duration::from_secs(10), async || Ok(maps.list(&ListParams::default()).await?))
        .await?;

    let before = plane.denied(&reader)?.len();
    let kubeconfig = plane.kubeconfig_for(&reader).await?;
    let refused = plane.kubectl_with(&kubeconfig, &["get", "secrets"], "").await?;
    assert!(
        refused
            .stderr
            .contains(r#"User "system:serviceaccount:shop:default" cannot list resource "secrets""#),
        "{}",
        refused.stderr
    );
    let denied = plane.denied(&reader)?;
    assert_eq!(denied.len(), before + 1);
    let last = denied[before].to_string();
    assert!(
        last.starts_with("list /api/v1/namespaces/shop/secrets?limit=500: secrets is forbidden"),
        "{last}"
    );

    let nobody = plane.kubeconfig_for(&Identity::service_account("shop", "nobody")).await.unwrap_err();
    assert!(
        format!("{nobody:#}").contains("cannot act as system:serviceaccount:shop:nobody: "),
        "{nobody:#}"
    );
    Ok(())
}

async fn acts_as_exactly_the_user(plane: &ControlPlane) -> Result<()> {
    let jane = plane.kubeconfig_for(&Identity::user("jane", &["devs"])).await?;
    let who = plane.kubectl_with(&jane, &["auth", "whoami"], "").await?.checked()?;
    assert!(who.contains("jane") && who.contains("[devs system:authenticated]"), "{who}");
    let refused = plane.kubectl_with(&jane, &["get", "namespaces"], "").await?;
    assert!(
        refused.stderr.contains(r#"User "jane" cannot list resource "namespaces""#),
        "{}",
        refused.stderr
    );
    Ok(())
}

#[tokio::test]
async fn parts_come_back_with_their_data_and_address() -> Result<()> {
    ControlPlane::with(Options::default(), async |plane| {
        let namespaces: Api<Namespace> = Api::all(plane.client().await?);
        let namespace = plane.namespace("kept").await?;
        let url = plane.url();

        plane.restart(Part::ApiServer).await?;
        assert_eq!(plane.url(), url);
        // The client that was made before goes on.
        namespaces.get(&namespace).await?;

        plane.stop(Part::ApiServer).await;
        assert!(namespaces.get(&namespace).await.is_err());
        plane.bring_back(Part::ApiServer).await?;

        plane.kill(Part::Etcd);
        // The API server itself waits for a minute before it gives up.
        let parameters = ListParams::default();
        let list = tokio::time::timeout(Duration::from_secs(2), namespaces.list(&parameters)).await;
        assert!(!matches!(list, Ok(Ok(_))), "an answer without the store");
        plane.bring_back(Part::Etcd).await?;
        eventually("the namespace", Duration::from_secs(20), async || Ok(namespaces.get(&namespace).await?))
            .await?;

        plane.restart(Part::ControllerManager).await?;
        plane.namespace("after").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_at_once_do_not_collide() -> Result<()> {
    let (one, other) =
        tokio::try_join!(ControlPlane::start(Options::default()), ControlPlane::start(Options::default()))?;
    assert_ne!(one.url(), other.url());
    one.kubectl(&["create", "namespace", "only-here"]).await?.checked()?;
    let there = other.kubectl(&["get", "namespace", "only-here"]).await?;
    assert!(there.stderr.contains("not found"), "{}", there.stderr);
    let here = one.kubectl(&["get", "namespace", "only-here"]).await?;
    assert!(here.success, "{}", here.stderr);
    Ok(())
}

#[tokio::test]
async fn a_wrong_flag_is_reported_with_the_servers_own_words() -> Result<()> {
    let options = Options { apiserver_flags: vec!["--no-such-flag".to_owned()], ..Options::default() };
    let error = ControlPlane::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("kube-apiserver ended with exit status: 1"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
    Ok(())
}

/// A developer's cluster with a state folder of its own; what it starts ends with the test.
struct Developer {
    run: Run,
    state: PathBuf,
}

impl Developer {
    fn new() -> Result<Self> {
        let run = Run::new()?;
        let state = run.folder().join("state");
        std::fs::create_dir(&state)?;
        Ok(Self { run, state })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = self.run.command(env!("CARGO_BIN_EXE_cluster"));
        command.arg(what).arg("--state").arg(&self.state);
        command
    }

    /// What the program says: whether it succeeded, its stdout, its stderr.
    fn cluster(&self, what: &str) -> (bool, String, String) {
        let output = self.command(what).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.success(), stdout, stderr)
    }

    /// Waits until no process knows the state folder, and only these files are in it.
    async fn left(&self, files: &[&str]) -> Result<()> {
        eventually("everything to be gone", Duration::from_secs(20), async || {
            let (processes, left) = (processes_of(&self.state), files_in(&self.state));
            ensure!(processes.is_empty(), "these run: {processes:?}");
            ensure!(left == files, "these exist: {left:?}");
            Ok(())
        })
        .await
    }
}

const NOT_UP: &str = "no cluster is up; `cluster up` starts one";

#[tokio::test]
async fn a_developers_cluster_stays_until_it_is_taken_down() -> Result<()> {
    let developer = Developer::new()?;
    assert_eq!(developer.cluster("status"), (false, format!("{NOT_UP}\n"), String::new()));
    assert_eq!(developer.cluster("env"), (false, String::new(), format!("error: {NOT_UP}\n")));

    let (ok, first, stderr) = developer.cluster("up");
    assert!(ok, "{stderr}");
    assert_eq!(developer.cluster("up"), (true, first, String::new()));

    // As the user would.
    let (_, exports, _) = developer.cluster("env");
    let shell = Command::new("sh")
        .args(["-c", &format!("{exports}kubectl create namespace mine")])
        .env_remove("KUBECONFIG")
        .output()?;
    assert_eq!(String::from_utf8(shell.stdout)?, "namespace/mine created\n");
    assert!(developer.cluster("status").0);

    assert_eq!(developer.cluster("down").1, "down\n");
    assert_eq!(developer.cluster("down").1, "no cluster was up\n");
    developer.left(&["keeper.log", "lock"]).await
}

#[tokio::test]
async fn killing_the_starter_leaves_no_process_and_no_file() -> Result<()> {
    let developer = Developer::new()?;
    let (ok, _, stderr) = developer.cluster("up");
    assert!(ok, "{stderr}");
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(developer.state.join("cluster.json"))?)?;
    let keeper = state["keeper"].as_u64().unwrap();
    let run = Path::new(state["folder"].as_str().unwrap());
    assert_eq!(processes_of(run), ["etcd", "kube-apiserver", "kube-controller-manager", "sh"]);

    // The whole group, as an impatient CI does.
    let killed = Command::new("kill").args(["-9", "--", &format!("-{keeper}")]).status()?;
    assert!(killed.success());
    developer.left(&["cluster.json", "keeper.log", "kubeconfig", "lock"]).await?;
    assert_eq!(developer.cluster("status").1, format!("{NOT_UP}\n"));
    Ok(())
}

#[tokio::test]
async fn a_keeper_killed_while_it_starts_leaves_nothing_and_one_interrupted_tidies_up() -> Result<()> {
    // Built first: there would be nothing to wait for within seconds.
    for program in Program::CONTROL_PLANE {
        program.path()?;
    }
    let developer = Developer::new()?;
    let etcd_runs = async || {
        eventually("etcd", Duration::from_secs(30), async || {
            ensure!(processes_of(&developer.state).contains(&"etcd".to_owned()), "it does not run");
            Ok(())
        })
        .await
    };
    let keeper = developer.run.start("keeper", developer.command("keep"))?;
    etcd_runs().await?;
    keeper.kill();
    developer.left(&["lock"]).await?;

    keeper.start()?;
    etcd_runs().await?;
    let id = keeper.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status()?.success());
    let ended =
        eventually("the keeper to end", Duration::from_secs(20), async || keeper.ended().context("it runs"));
    assert!(ended.await?.success());
    developer.left(&["lock"]).await
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The names of the programs whose arguments name something in `folder`: all of the control plane's, and the watchdog.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut names: Vec<_> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .map(|arguments| String::from_utf8_lossy(&arguments).into_owned())
        .filter(|arguments| arguments.contains(folder))
        .filter_map(|arguments| arguments.split('\0').next()?.rsplit('/').next().map(str::to_owned))
        .collect();
    names.sort();
    names
}
