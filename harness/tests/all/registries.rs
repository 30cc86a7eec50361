//! `harness push` and `harness pull` against a real registry with a password, and against one that lies.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use expect_test::expect;
use sha2::{Digest as _, Sha256};

use crate::support::{Ran, Workspace, guest, program};

const PASSWORD: &str = "correct-horse-battery";

/// Debian's docker-registry on a port of its own, which asks for a password.
pub(crate) struct Registry {
    process: Child,
    address: String,
    pub(crate) workspace: Workspace,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let workspace = Workspace::new();
        let mut htpasswd = Command::new(program("htpasswd"));
        htpasswd.args(["-Bin", "bob"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut htpasswd = htpasswd.spawn().unwrap();
        htpasswd.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        workspace.file("htpasswd", htpasswd.wait_with_output().unwrap().stdout);
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\nauth: {{htpasswd: {{realm: test, path: {htpasswd}}}}}\n",
            storage = workspace.path("storage").display(),
            htpasswd = workspace.path("htpasswd").display(),
        );
        workspace.file("registry.yml", config);
        let mut process = Command::new(program("docker-registry"))
            .arg("serve")
            .arg(workspace.path("registry.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "docker-registry ended:\n{seen}");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.chars().take_while(|character| !matches!(character, '"' | ',')).collect();
            }
            seen += &line;
        };
        // A process that writes a log must find a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let registry = Self { process, address, workspace };
        registry.log_in(PASSWORD);
        let metadata = "mutating: false\nannotations: {io.kubewarden.policy.title: example, io.kubewarden.policy.source: 'https://example.com/p', io.kubewarden.policy.usage: \"a\\nb\"}\n";
        registry.workspace.file("raw.wasm", guest("")).file("metadata.yml", metadata);
        registry
            .workspace
            .harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "policy.wasm"])
            .done();
        registry
    }

    fn log_in(&self, password: &str) {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("bob:{password}"));
        let config = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, self.address);
        self.workspace.file("config.json", config);
    }

    pub(crate) fn uri(&self, rest: &str) -> String {
        format!("registry://{}/{rest}", self.address)
    }

    pub(crate) fn harness(&self, arguments: &[&str]) -> Ran {
        self.workspace.harness(&[arguments, &["--docker-config-json-path", "config.json"]].concat())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_is_pushed_is_pulled_and_laid_out_as_kubewarden_expects() {
    let skopeo = program("skopeo");
    let registry = Registry::start();
    let pushed = registry.harness(&["push", "policy.wasm", &registry.uri("policies/example:v1")]).done();
    let (repository, digest) = pushed.trim().split_once('@').unwrap();
    assert_eq!(repository, format!("{}/policies/example", registry.address));

    for reference in [&format!("policies/example@{digest}"), "policies/example:v1"] {
        let pulled = registry.harness(&["pull", &registry.uri(reference), "-o", "pulled.wasm"]).done();
        assert_eq!(pulled, pushed);
        let bytes = |name| std::fs::read(registry.workspace.path(name)).unwrap();
        assert!(bytes("pulled.wasm") == bytes("policy.wasm"));
    }

    let mut command = Command::new(skopeo);
    command
        .args(["inspect", "--raw", "--tls-verify=false", "--authfile"])
        .arg(registry.workspace.path("config.json"));
    command.arg(format!("docker://{repository}:v1"));
    let raw = Ran::of(command).done();
    assert_eq!(digest, format!("sha256:{}", hex(raw.as_bytes())));
    let mut manifest: serde_json::Value = serde_json::from_str(&raw).unwrap();
    let wasm = std::fs::read(registry.workspace.path("policy.wasm")).unwrap();
    assert_eq!(manifest["layers"][0]["digest"].take(), format!("sha256:{}", hex(&wasm)));
    assert_eq!(manifest["layers"][0]["size"].take(), wasm.len());
    expect![[r#"
        {
          "annotations": {
            "io.kubewarden.kwctl": "1.36.0+harness.0.1.0",
            "io.kubewarden.policy.source": "https://example.com/p",
            "io.kubewarden.policy.title": "example",
            "org.opencontainers.image.source": "https://example.com/p"
          },
          "config": {
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "mediaType": "application/vnd.wasm.config.v1+json",
            "size": 2
          },
          "layers": [
            {
              "digest": null,
              "mediaType": "application/vnd.wasm.content.layer.v1+wasm",
              "size": null
            }
          ],
          "schemaVersion": 2
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&manifest).unwrap());

    // A policy can be run from where it lies.
    registry.workspace.file("review.json", crate::support::REVIEW);
    let line = registry.harness(&["run", &registry.uri("policies/example:v1"), "-r", "review.json"]).done();
    assert!(line.contains("\"allowed\":true"), "{line}");
}

#[test]
fn pushing_says_what_is_in_the_way() {
    let registry = Registry::start();
    let uri = registry.uri("policies/example:v1");
    expect![[r#"
        error: cannot push raw.wasm: it has no metadata; write it with harness annotate, or use --force
    "#]]
    .assert_eq(&registry.harness(&["push", "raw.wasm", &uri]).failed());
    let forced = registry.harness(&["push", "--force", "raw.wasm", &uri, "-o", "json"]).done();
    let forced: serde_json::Value = serde_json::from_str(&forced).unwrap();
    assert!(
        forced["immutable_ref"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}/policies/example@sha256:", registry.address))
    );

    registry.log_in("wrong-password");
    for arguments in [&["push", "policy.wasm", &uri][..], &["pull", &uri, "-o", "pulled.wasm"]] {
        let error = registry.harness(arguments).failed();
        assert!(error.contains("Not authorized") || error.contains("UNAUTHORIZED"), "{error}");
        assert!(!error.contains("wrong-password") && !error.contains("d3Jvbmc"), "{error}");
    }
    assert!(!registry.workspace.path("pulled.wasm").exists());

    registry.log_in(PASSWORD);
    let error = registry.harness(&["pull", &registry.uri("policies/none:v1"), "-o", "pulled.wasm"]).failed();
    assert!(
        error.starts_with(&format!("error: cannot pull {}/policies/none:v1: ", registry.address)),
        "{error}"
    );
    let error =
        registry.harness(&["pull", "registry://no-such-host.invalid/p:v1", "-o", "pulled.wasm"]).failed();
    assert!(error.starts_with("error: cannot connect to no-such-host.invalid: https: "), "{error}");
    assert!(error.contains("plain http is only used for hosts in insecure_sources"), "{error}");
}

/// A registry on loopback that answers these paths, whatever is asked for.
fn lying_registry(manifest: String, blob: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            // 0x16 begins a TLS handshake, which comes first and finds nobody.
            while request.first() != Some(&0x16)
                && !request.ends_with(b"\r\n\r\n")
                && connection.read(&mut byte).unwrap_or(0) == 1
            {
                request.push(byte[0]);
            }
            if request.first() == Some(&0x16) {
                continue;
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let (media_type, body) = match () {
                () if request.contains("/manifests/") => {
                    ("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())
                }
                () if request.contains("/blobs/") => ("application/octet-stream", blob),
                () => ("application/json", &b"{}"[..]),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
        }
    });
    address
}

fn manifest(media_type: &str, digest: &str, size: usize) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.wasm.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}},"layers":[{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}]}}"#
    )
}

#[test]
fn what_a_registry_sends_is_checked() {
    let layer = "application/vnd.wasm.content.layer.v1+wasm";
    let other = format!("sha256:{}", hex(b"the real module"));
    let pull = |manifest: String, reference: &str| {
        let workspace = Workspace::new();
        let uri = format!("registry://{}/p{reference}", lying_registry(manifest, b"another module"));
        let error = workspace.harness(&["pull", &uri, "-o", "pulled.wasm"]).failed();
        assert!(!workspace.path("pulled.wasm").exists());
        error
    };
    let error = pull(manifest(layer, &other, 15), ":v1");
    assert!(error.contains(&other), "{error}");
    let error = pull(manifest(layer, &other, 15), &format!("@{other}"));
    assert!(error.contains("igest") && error.contains(&other), "{error}");
    let error = pull(manifest("application/vnd.oci.image.layer.v1.tar+gzip", &other, 15), ":v1");
    assert!(
        error.contains(
            "it is not a policy: it has no layer of type application/vnd.wasm.content.layer.v1+wasm"
        ),
        "{error}"
    );
    let error = pull(manifest(layer, &other, 1 << 40), ":v1");
    assert!(error.contains("its module has 1099511627776 bytes, more than 268435456"), "{error}");
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
