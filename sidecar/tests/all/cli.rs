//! The built program as people run it: output, messages, exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};
use tcr_cloud::{Account, Cloud, Fault};

use crate::setup::{INSTANCE, cloud};

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder with manifests in which the program runs, with an environment of its own.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// With the demo account's key, and this cloud as the endpoint.
    pub(crate) fn at(cloud: &Cloud) -> Self {
        let account = Account::demo();
        let run = account.variables().fold(Self::new(), |run, (name, value)| run.set(name, value));
        run.set("TCR_ASSISTANT_ENDPOINT", &cloud.url())
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tcr-assistant"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

pub(crate) const DEMO: &str = "\
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: demo}
spec:
  namespaces: '*'
  tcr: {instanceId: tcr-demo0001, region: ap-guangzhou}
";

pub(crate) const STATIC: &str = "\
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: sample}
spec:
  namespaces: shop
  serviceAccounts: default,builder
  docker: {username: '100012345678', password: tcr.jwt.token, server: demo.tencentcloudcr.com}
";

const BY_REFERENCE: &str = "\
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: reference}
spec:
  docker: {username: '100012345678', passwordSecretRef: {name: demo, key: password}, server: demo.tencentcloudcr.com}
";

/// The run's three parts in one text, with what differs each time replaced.
#[track_caller]
fn check(run: &Run, replaced: &[(&str, &str)], expected: Expect) {
    let mut text = format!("exit {:?}\n--- stdout\n{}--- stderr\n{}", run.code, run.stdout, run.stderr);
    for (from, to) in replaced {
        text = text.replace(from, to);
    }
    expected.assert_eq(&text);
}

#[test]
fn a_created_credential_is_rendered_and_told() {
    let cloud = cloud();
    let place = Place::at(&cloud).file("demo.yaml", DEMO);
    let run = place.run(&["render", "-f", "demo.yaml", "--cluster-id", "cls-12345678", "--mask"]);
    let token = cloud.live_tokens().remove(0);
    assert_eq!(token.description, "TKE cluster (cls-12345678) dedicated access credential");
    let until = token.expires_at.strftime("%Y-%m-%d %H:%M").to_string();
    check(
        &run,
        &[(&token.id, "TOKEN-ID"), (&until, "UNTIL")],
        expect![[r#"
        exit Some(0)
        --- stdout
        apiVersion: v1
        kind: Secret
        metadata:
          labels:
            app.kubernetes.io/managed-by: tcr-assistant
            tcr.tencentcloudcr.com/image-pull-secret: demo
          name: tcr.ipsdemo
          namespace: default
        stringData:
          .dockerconfigjson: "{\"auths\":{\"demo-vpc.tencentcloudcr.com\":{\"auth\":\"***\",\"password\":\"***\",\"username\":\"100012345678\"},\"demo.tencentcloudcr.com\":{\"auth\":\"***\",\"password\":\"***\",\"username\":\"100012345678\"}}}"
        type: kubernetes.io/dockerconfigjson
        --- stderr
        created long-term credential TOKEN-ID of tcr-demo0001 for user 100012345678, described as "TKE cluster (cls-12345678) dedicated access credential", valid until UNTIL UTC; to remove it: tccli tcr DeleteInstanceToken --region ap-guangzhou --RegistryId tcr-demo0001 --TokenId TOKEN-ID
        demo.yaml: ImagePullSecret "demo": Secret tcr.ipsdemo goes to namespaces "*", and {"name":"tcr.ipsdemo"} is added to imagePullSecrets of their ServiceAccounts "*"
    "#]],
    );
}

#[test]
fn without_the_mask_the_secret_opens_the_registry() {
    let cloud = cloud();
    let place = Place::at(&cloud).file("demo.yaml", DEMO);
    let run = place.run(&[
        "render",
        "-f",
        "demo.yaml",
        "--cluster-id",
        "cls-1",
        "--namespace",
        "a",
        "--namespace",
        "b",
        "-o",
        "json",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let items: Vec<k8s_openapi::api::core::v1::Secret> =
        serde_json::from_value(list["items"].clone()).unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].data, items[1].data);
    let bytes = &items[0].data.as_ref().unwrap()[".dockerconfigjson"].0;
    let logins = tcr::docker_config::DockerConfig::logins(bytes).unwrap();
    assert_eq!(logins.len(), 2);
    for login in logins.values() {
        assert!(cloud.accepts_login(INSTANCE, &login.username, login.password.expose()));
    }
    assert_eq!(cloud.tokens().len(), 1);
}

#[test]
fn revoke_leaves_nothing_behind() {
    let cloud = cloud();
    let place = Place::at(&cloud).file("demo.yaml", DEMO);
    let run = place.run(&["render", "-f", "demo.yaml", "--cluster-id", "cls-1", "--mask", "--revoke"]);
    assert_eq!(
        (run.code, cloud.tokens().len(), cloud.live_tokens().len()),
        (Some(0), 1, 0),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("deleted credential"), "{}", run.stderr);
}

#[test]
fn objects_that_ask_for_the_same_share_one_credential() {
    let cloud = cloud();
    let other = DEMO.replace("name: demo", "name: other").replace("'*'", "shop");
    let place = Place::at(&cloud).file("both.yaml", &format!("{DEMO}---\n{other}"));
    let run = place.run(&["render", "-f", "both.yaml", "--cluster-id", "cls-1", "--mask"]);
    assert_eq!((run.code, cloud.tokens().len()), (Some(0), 1), "{}", run.stderr);
    assert_eq!(run.stdout.matches("kind: Secret").count(), 2);
}

#[test]
fn a_failure_takes_back_what_was_created_before_it() {
    let cloud = cloud();
    let other = DEMO.replace("name: demo", "name: other").replace("tcr-demo0001", "tcr-other001");
    let place = Place::at(&cloud).file("both.yaml", &format!("{DEMO}---\n{other}"));
    let run = place.run(&["render", "-f", "both.yaml", "--cluster-id", "cls-1"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert_eq!((cloud.tokens().len(), cloud.live_tokens().len()), (1, 0), "{}", run.stderr);
    assert!(run.stderr.contains("tcr-other001"), "{}", run.stderr);
}

#[test]
fn a_static_credential_needs_no_cloud() {
    let place = Place::new().file("static.yaml", STATIC);
    check(
        &place.run(&["render", "-f", "static.yaml", "--mask"]),
        &[],
        expect![[r#"
        exit Some(0)
        --- stdout
        apiVersion: v1
        kind: Secret
        metadata:
          labels:
            app.kubernetes.io/managed-by: tcr-assistant
            tcr.tencentcloudcr.com/image-pull-secret: sample
          name: tcr.ipssample
          namespace: shop
        stringData:
          .dockerconfigjson: "{\"auths\":{\"demo.tencentcloudcr.com\":{\"auth\":\"***\",\"password\":\"***\",\"username\":\"100012345678\"}}}"
        type: kubernetes.io/dockerconfigjson
        --- stderr
        warning: static.yaml: ImagePullSecret "sample": spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
        static.yaml: ImagePullSecret "sample": Secret tcr.ipssample goes to namespaces "shop", and {"name":"tcr.ipssample"} is added to imagePullSecrets of their ServiceAccounts "default,builder"
    "#]],
    );
    check(
        &place.run(&["render", "-f", "static.yaml"]),
        &[],
        expect![[r#"
        exit Some(0)
        --- stdout
        apiVersion: v1
        kind: Secret
        data:
          .dockerconfigjson: eyJhdXRocyI6eyJkZW1vLnRlbmNlbnRjbG91ZGNyLmNvbSI6eyJ1c2VybmFtZSI6IjEwMDAxMjM0NTY3OCIsInBhc3N3b3JkIjoidGNyLmp3dC50b2tlbiIsImF1dGgiOiJNVEF3TURFeU16UTFOamM0T25SamNpNXFkM1F1ZEc5clpXND0ifX19
        metadata:
          labels:
            app.kubernetes.io/managed-by: tcr-assistant
            tcr.tencentcloudcr.com/image-pull-secret: sample
          name: tcr.ipssample
          namespace: shop
        type: kubernetes.io/dockerconfigjson
        --- stderr
        warning: static.yaml: ImagePullSecret "sample": spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef
        static.yaml: ImagePullSecret "sample": Secret tcr.ipssample goes to namespaces "shop", and {"name":"tcr.ipssample"} is added to imagePullSecrets of their ServiceAccounts "default,builder"
    "#]],
    );
}

#[test]
fn a_referenced_password_comes_from_a_file() {
    let place = Place::new().file("reference.yaml", BY_REFERENCE).file("password", "tcr.jwt.token\n");
    check(
        &place.run(&["render", "-f", "reference.yaml"]),
        &[],
        expect![[r#"
        exit Some(1)
        --- stdout
        --- stderr
        error: reference.yaml: ImagePullSecret "reference": spec.docker.passwordSecretRef: Secret "demo" is in the cluster; give its key "password" by --password-file
    "#]],
    );
    let run = place.run(&["render", "-f", "reference.yaml", "--password-file", "password"]);
    let direct = place.run_with(&["render", "-f", "-", "--namespace", "shop"], STATIC);
    let data =
        |run: &Run| run.stdout.lines().find(|line| line.contains(".dockerconfigjson")).map(str::to_owned);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(data(&run).is_some());
    assert_eq!(data(&run), data(&direct));
}

#[test]
fn a_list_from_kubectl_is_read_item_by_item() {
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        serde_saphyr::from_str::<serde_json::Value>(STATIC).unwrap(),
    ]});
    let run = Place::new().run_with(&["render", "-f", "-", "--mask"], &list.to_string());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("name: tcr.ipssample"), "{}", run.stdout);
}

#[test]
fn every_mistake_of_every_object_is_named_with_file_object_field_and_value() {
    let bad = "\
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: look-alike}
spec: {namespaces: 'shop,Team_A', docker: {username: u, password: s3cret-pw, server: demo.eviltencentcloudcr.com}}
---
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: misspelled}
spec: {tcr: {instanceID: tcr-demo0001, region: guangzhou}}
---
apiVersion: v1
kind: Pod
metadata: {name: stray}
";
    let run = Place::new().file("bad.yaml", bad).run(&["render", "-f", "bad.yaml"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    for expected in [
        "error: bad.yaml: ImagePullSecret \"look-alike\": spec.namespaces: ",
        "Team_A",
        "error: bad.yaml: ImagePullSecret \"look-alike\": spec.docker.server: \"demo.eviltencentcloudcr.com\"",
        "error: bad.yaml: ImagePullSecret \"misspelled\": spec.tcr.instanceID",
        "instanceId",
        "error: bad.yaml: Pod \"stray\": kind: \"Pod\" is not ImagePullSecret",
    ] {
        assert!(run.stderr.contains(expected), "{expected}\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("s3cret-pw"), "{}", run.stderr);
}

#[test]
fn mistakes_cost_no_call() {
    let cloud = cloud();
    let place =
        Place::at(&cloud).file("both.yaml", &format!("{DEMO}---\n{}", DEMO.replace("tcr-demo0001", "x")));
    let run = place.run(&["render", "-f", "both.yaml", "--cluster-id", "cls-1"]);
    assert_eq!((run.code, cloud.calls().len()), (Some(1), 0), "{}", run.stderr);
    assert!(
        run.stderr.contains("metadata.name: \"demo\" is also the name of another object"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_default_description_needs_the_clusters_id() {
    let cloud = cloud();
    let run = Place::at(&cloud).file("demo.yaml", DEMO).run(&["render", "-f", "demo.yaml"]);
    assert_eq!((run.code, cloud.calls().len()), (Some(1), 0));
    assert!(run.stderr.contains("spec.tcr.credential.description"), "{}", run.stderr);
}

#[test]
fn bad_input_files_are_named() {
    let place = Place::new().file("empty.yaml", "").file("broken.yaml", "password: {s3cret-pw\n");
    for (file, expected) in [
        ("none.yaml", "error: cannot read none.yaml: No such file or directory (os error 2)\n"),
        ("empty.yaml", "error: empty.yaml: there is no object in it\n"),
        ("broken.yaml", "error: broken.yaml: not YAML: mistake at line "),
    ] {
        let run = place.run(&["render", "-f", file]);
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.starts_with(expected) && !run.stderr.contains("s3cret-pw"), "{}", run.stderr);
    }
}

#[test]
fn failures_of_the_cloud_name_the_object_and_what_to_do() {
    let cloud = cloud();
    let place = Place::at(&cloud).file("demo.yaml", DEMO);
    let args = ["render", "-f", "demo.yaml", "--cluster-id", "cls-1", "--mask"];

    let wrong_key = Place::at(&cloud).file("demo.yaml", DEMO).set("TENCENTCLOUD_SECRET_KEY", "wrong");
    let run = wrong_key.run(&args);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("AuthFailure.SignatureFailure"), "{}", run.stderr);

    cloud.inject(Fault::empty_token().times(1));
    let run = place.run(&args);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("the token is empty"), "{}", run.stderr);

    cloud.update_instance(INSTANCE, |instance| instance.status = "Isolate".to_owned());
    let run = place.run(&args);
    assert!(run.stderr.contains("instance tcr-demo0001 is \"Isolate\" and not Running"), "{}", run.stderr);

    let unreachable =
        Place::at(&cloud).file("demo.yaml", DEMO).set("TCR_ASSISTANT_ENDPOINT", "http://127.0.0.1:1");
    let run = unreachable.run(&args);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("cannot connect: Connection refused"), "{}", run.stderr);
    assert!(run.stderr.contains("check that http://127.0.0.1:1 can be reached from here"), "{}", run.stderr);

    let nobody = Place::new().file("demo.yaml", DEMO);
    let run = nobody.run(&args);
    assert!(
        run.stderr.contains("no Tencent Cloud API credential: set TENCENTCLOUD_SECRET_ID"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_domain_that_the_cloud_makes_up_gets_no_credential() {
    let cloud = cloud();
    cloud.update_instance(INSTANCE, |instance| instance.public_domain = Some("demo.example.com".to_owned()));
    let run = Place::at(&cloud).file("demo.yaml", DEMO).run(&[
        "render",
        "-f",
        "demo.yaml",
        "--cluster-id",
        "cls-1",
    ]);
    assert_eq!((run.code, cloud.tokens().len()), (Some(1), 0));
    assert!(run.stderr.contains("demo.example.com is not under tencentcloudcr.com"), "{}", run.stderr);
}

#[test]
fn an_endpoint_must_be_https_unless_it_is_here() {
    let place = Place::new().file("demo.yaml", DEMO);
    let run = place.run(&["render", "-f", "demo.yaml", "--endpoint", "http://tcr.tencentcloudapi.com"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("only https is allowed, except on this machine"), "{}", run.stderr);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for args in
        [&["render"][..], &["render", "-f", "a", "--timeout", "30"], &["fly"], &["--log", "a=b=c", "crd"]]
    {
        assert_eq!(Place::new().run(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn crd_prints_the_committed_file() {
    let run = Place::new().run(&["crd"]);
    assert_eq!(run.code, Some(0));
    assert!(
        run.stdout == include_str!("../../../artifacts/crd/imagepullsecrets.yaml"),
        "run: ./justw generate"
    );
}

#[test]
fn help_shows_examples_and_where_credentials_come_from() {
    let help = Place::new().run(&["render", "--help"]).stdout;
    for expected in ["Examples:", "TENCENTCLOUD_SECRET_ID", "~/.tencentcloud/credentials", "--revoke"] {
        assert!(help.contains(expected), "{help}");
    }
}

#[test]
fn under_the_name_that_kubectl_looks_for_there_are_the_commands_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-tcr");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tcr-assistant"), &plugin).unwrap();
    let run = |args: &[&str]| {
        let output =
            Command::new(&plugin).args(args).env_clear().env("HOME", folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let help = run(&["--help"]).stdout;
    assert!(
        help.contains("Usage: kubectl tcr") && help.contains("kubectl tcr explain pod/web-5d8f7"),
        "{help}"
    );
    for command in ["explain", "status", "cleanup", "render", "crd", "pull-errors"] {
        assert!(help.contains(&format!("\n  {command} ")), "no {command}: {help}");
        assert_eq!(run(&[command, "--help"]).code, Some(0), "{command}");
    }
    // What the cluster runs is no command for people.
    assert!(!help.contains("withdraw") && !help.contains("\n  run "), "{help}");
    assert_eq!(run(&["withdraw-hosts"]).code, Some(2));
    assert_eq!(
        run(&["pull-errors"]).stdout,
        include_str!("../../../docs/pull-errors.md"),
        "run: ./justw generate"
    );
    for (args, word) in [
        (&["explain", "service/web"][..], "deployment"),
        (&["explain", "pod/Web"][..], "lower-case"),
        (&["explain", "pod/web", "-n", "Shop"][..], "a namespace is"),
        (&["status", "--as-group=a"][..], "--as"),
    ] {
        let run = run(args);
        assert!(run.code == Some(2) && run.stderr.contains(word), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_cluster_that_cannot_be_found_is_said_with_the_flag_that_helps() {
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
                  clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: t-secret}}]\n";
    let place = Place::new().file("config", config);
    let told = |args: &[&str]| {
        let run = place.run(args);
        assert_eq!(run.code, Some(1), "{}", run.stdout);
        assert!(!run.stderr.contains("t-secret"), "{}", run.stderr);
        run.stderr
    };
    let text = told(&["status", "--kubeconfig=absent"]);
    assert!(text.contains("cannot read --kubeconfig absent"), "{text}");
    let text = told(&["status", "--kubeconfig=config", "--context=b"]);
    assert!(text.contains("no context \"b\"; it has a"), "{text}");
    let text = told(&["explain", "pod/web", "--kubeconfig=config"]);
    assert!(text.contains("cannot read Pod default/web"), "{text}");
    let text = told(&["status", "--kubeconfig=config"]);
    assert!(text.contains("cannot read ImagePullSecrets"), "{text}");
}
