//! In policy-server's place in the Pods of a PolicyServer: the folders, files and variables are those that Kubewarden's
//! controller writes, and the program is started as the image's entry point is.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, workspace};
use crate::support::{REVIEW, Ran, Workspace};

/// Whom policy-server's image runs as.
const USER: u32 = 65533;

/// A Pod's root, as far as the program sees it.
struct Pod {
    workspace: Workspace,
}

impl Pod {
    fn new() -> Self {
        let pod = Self { workspace: workspace() };
        for folder in ["config", "pki", "sources", "home/kubewarden/.docker", "tmp"] {
            std::fs::create_dir_all(pod.path(folder)).unwrap();
        }
        // Its own file, because others may not enter the folder where it was built.
        std::fs::copy(env!("CARGO_BIN_EXE_harness"), pod.path("policy-server")).unwrap();
        pod.mount("config", 1, &[("policies.yml", policies(&pod, "bob"))]);
        pod.mount(
            "sources",
            1,
            &[("sources.yml", r#"{"insecure_sources":[],"source_authorities":{}}"#.to_owned())],
        );
        pod.mount("home/kubewarden/.docker", 1, &[("config.json", r#"{"auths":{}}"#.to_owned())]);
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workspace.path(name)
    }

    /// A volume's new version, as a kubelet swaps it in.
    fn mount(&self, volume: &str, version: u32, files: &[(&str, String)]) {
        let volume = self.path(volume);
        let folder = format!("..v{version}");
        std::fs::create_dir(volume.join(&folder)).unwrap();
        for (name, text) in files {
            std::fs::write(volume.join(&folder).join(name), text).unwrap();
            if version == 1 {
                symlink(format!("..data/{name}"), volume.join(name)).unwrap();
            }
        }
        symlink(&folder, volume.join("..data_tmp")).unwrap();
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        if version > 1 {
            std::fs::remove_dir_all(volume.join(format!("..v{}", version - 1))).unwrap();
        }
    }

    /// A new certificate in the volume; its PEM.
    fn certificate(&self, version: u32) -> String {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = pair.cert.pem();
        self.mount(
            "pki",
            version,
            &[("tls.crt", pem.clone()), ("tls.key", pair.signing_key.serialize_pem())],
        );
        pem
    }

    /// The container's process. Ports are any, so that tests run beside each other.
    fn command(&self) -> Command {
        let mut command = Command::new(self.path("policy-server"));
        let path = |name: &str| self.path(name);
        command
            .current_dir(self.path("."))
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", path("tmp"))
            .env("KUBEWARDEN_CERT_FILE", path("pki/tls.crt"))
            .env("KUBEWARDEN_KEY_FILE", path("pki/tls.key"))
            .env("KUBEWARDEN_PORT", "0")
            .env("KUBEWARDEN_READINESS_PROBE_PORT", "0")
            .env("KUBEWARDEN_POLICIES_DOWNLOAD_DIR", path("tmp"))
            .env("KUBEWARDEN_POLICIES", path("config/policies.yml"))
            .env("KUBEWARDEN_SIGSTORE_CACHE_DIR", path("tmp/sigstore-data"))
            .env("KUBEWARDEN_SOURCES_PATH", path("sources/sources.yml"))
            .env("KUBEWARDEN_DOCKER_CONFIG_JSON_PATH", path("home/kubewarden/.docker"))
            .env("KUBEWARDEN_ALWAYS_ACCEPT_ADMISSION_REVIEWS_ON_NAMESPACE", "kubewarden")
            // Of the PolicyServer's own `spec.env`.
            .env("KUBEWARDEN_LOG_FMT", "json")
            .env("KUBEWARDEN_LOG_LEVEL", "info");
        if rustix::process::geteuid().is_root() {
            std::fs::set_permissions(self.path("."), std::fs::Permissions::from_mode(0o755)).unwrap();
            chown(self.path("tmp"), Some(USER), Some(USER)).unwrap();
            command.uid(USER).gid(USER);
        }
        command
    }
}

/// The policies file as the controller writes it: JSON, with the names of the objects that it is of.
fn policies(pod: &Pod, value: &str) -> String {
    let entry = |namespace: &str, name: &str, settings: Value| {
        json!({
            "namespacedName": {"Namespace": namespace, "Name": name},
            "module": format!("file://{}", pod.path("label.wasm").display()),
            "policyMode": "protect",
            "allowedToMutate": true,
            "settings": settings,
        })
    };
    json!({
        "clusterwide-label": entry("", "label", json!({"label": "owner", "value": value})),
        "namespaced-shop-strict": entry("shop", "strict", json!({"label": "owner"})),
    })
    .to_string()
}

#[tokio::test]
async fn it_serves_what_the_controller_writes_and_follows_it() {
    let pod = Pod::new();
    let first = pod.certificate(1);
    let server = Server::of(pod.command());
    server.told("serving");
    let ask = async |pem: &str, path: &str, review: &str| {
        let trusted = [Certificate::from_pem(pem.as_bytes()).unwrap()];
        let client = Client::builder().tls_certs_only(trusted).pool_max_idle_per_host(0).build().unwrap();
        let url = format!("https://localhost:{}{path}", server.reviews);
        let request = client.post(url).header("content-type", "application/json").body(review.to_owned());
        match request.send().await {
            Ok(answer) => answer.text().await.unwrap(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(server.get("/readiness").await.0, StatusCode::OK);
    assert!(ask(&first, "/validate/clusterwide-label", REVIEW).await.contains("owner=bob"));
    assert!(ask(&first, "/validate/namespaced-shop-strict", REVIEW).await.contains("is missing"));
    let own = REVIEW.replace(r#""namespace":"shop""#, r#""namespace":"kubewarden""#);
    assert!(ask(&first, "/validate/namespaced-shop-strict", &own).await.contains(r#""allowed":true"#));
    assert!(ask(&first, "/audit/clusterwide-label", REVIEW).await.contains("owner=bob"));
    // What was compiled outlives the container, in the folder that it may write to.
    let kept = pod.path("tmp/.cache/tcr-assistant/modules");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 1);

    pod.mount("config", 2, &[("policies.yml", policies(&pod, "eve"))]);
    server.told("the policies were reloaded");
    assert!(ask(&first, "/validate/clusterwide-label", REVIEW).await.contains("owner=eve"));
    // The second renewal too.
    for version in 2..4 {
        let pem = pod.certificate(version);
        server.told("a new certificate is served");
        assert!(ask(&pem, "/validate/clusterwide-label", REVIEW).await.contains("owner=eve"));
    }
}

#[test]
fn what_a_policy_server_has_that_is_not_here_is_an_error_that_says_so() {
    let pod = Pod::new();
    pod.certificate(1);
    for (variable, value, told) in [
        (
            "KUBEWARDEN_VERIFICATION_CONFIG_PATH",
            "/verification/verification.yml",
            "signatures are not verified",
        ),
        (
            "KUBEWARDEN_SIGSTORE_TRUST_CONFIG_PATH",
            "/sigstore-trust/sigstore-trust-config.json",
            "signatures are not",
        ),
        ("KUBEWARDEN_ENABLE_METRICS", "true", "metrics are there without it, for Prometheus"),
    ] {
        let mut command = pod.command();
        command.env(variable, value);
        let error = Ran::of(command).failed();
        assert!(error.contains(variable) && error.contains(told), "{error}");
    }
    let mut command = pod.command();
    command.env("KUBEWARDEN_LOG_FMT", "otlp");
    let ran = Ran::of(command);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("invalid value 'otlp'") && ran.stderr.contains("json"), "{}", ran.stderr);
}
