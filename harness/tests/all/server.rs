//! A running `harness serve`, and policies for it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use harness::metadata::Metadata;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::support::{Workspace, guest, sdk_policy};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const METADATA: &str = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: true\n";

/// A server that is ready, and ends with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: Mutex<Receiver<String>>,
    pub(crate) reviews: u16,
    pub(crate) readiness: u16,
}

impl Server {
    pub(crate) fn start(workspace: &Workspace, policies: &str, arguments: &[&str]) -> Self {
        workspace.file("policies.yml", policies);
        let fixed = ["serve", "--addr=127.0.0.1", "--port=0", "--readiness-probe-port=0", "--log-fmt=json"];
        Self::of(workspace.command(&[&fixed[..], arguments].concat()))
    }

    /// One that listens, of a command that logs JSON.
    pub(crate) fn of(mut command: Command) -> Self {
        // For the clients; an error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                // A test that ended does not listen.
                let _ = say.send(line.unwrap());
            }
        });
        let mut server = Self { child, log: Mutex::new(log), reviews: 0, readiness: 0 };
        let listening = server.told("listening");
        let port =
            |field: &str| listening[field].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        (server.reviews, server.readiness) = (port("reviews"), port("readiness"));
        server
    }

    pub(crate) fn ready(workspace: &Workspace, policies: &str, arguments: &[&str]) -> Self {
        let server = Self::start(workspace, policies, arguments);
        server.told("serving");
        server
    }

    /// Waits for a message in the log.
    pub(crate) fn told(&self, message: &str) -> Value {
        let log = self.log.lock().unwrap();
        let mut seen = String::new();
        loop {
            let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no \"{message}\" in\n{seen}"));
            seen.push_str(&line);
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["message"] == message {
                return said;
            }
        }
    }

    /// A review, over plain HTTP.
    pub(crate) async fn send(&self, path: &str, body: impl Into<String>) -> Response {
        let url = format!("http://127.0.0.1:{}{path}", self.reviews);
        let request = Client::new().post(url).header("content-type", "application/json").body(body.into());
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> (StatusCode, String) {
        let answer = self.send(path, body).await;
        (answer.status(), answer.text().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.readiness)).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    pub(crate) fn signal(&self) {
        self.kill(rustix::process::Signal::TERM);
    }

    /// Has it look at once whether its policies changed.
    pub(crate) fn hang_up(&self) {
        self.kill(rustix::process::Signal::HUP);
    }

    fn kill(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has resident.
pub(crate) fn memory_kib(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The SDK's policy as `label.wasm`, and one that never answers as `endless.wasm`.
pub(crate) fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.file("metadata.yml", METADATA);
    add_policy(&workspace, "label", &sdk_policy());
    add_policy(&workspace, "endless", &guest("(loop (br 0))"));
    workspace
}

/// Puts `NAME.wasm`, which is served where a policies file names it, beside the others.
pub(crate) fn add_policy(workspace: &Workspace, name: &str, wasm: &[u8]) {
    let (raw, annotated) = (format!("raw-{name}.wasm"), format!("{name}.wasm"));
    workspace.file(&raw, wasm);
    workspace.harness(&["annotate", &raw, "-m", "metadata.yml", "-o", &annotated]).done();
}

/// The same for a policy that cannot be asked for its version in time.
pub(crate) fn add_unasked_policy(workspace: &Workspace, name: &str, wasm: &[u8]) {
    let metadata = Metadata {
        protocol_version: Some("v1".to_owned()),
        execution_mode: "kubewarden-wapc".to_owned(),
        ..Metadata::default()
    };
    workspace.file(&format!("{name}.wasm"), metadata.write_into(wasm).unwrap());
}

/// One policy in every sort of place.
pub(crate) const POLICIES: &str = "\
strict: {module: 'file://label.wasm', settings: {label: owner}}
told: {module: 'file://label.wasm', settings: {label: owner}, message: ask the platform team}
watching: {module: 'file://label.wasm', settings: {label: owner}, policyMode: monitor}
adding: {module: 'file://label.wasm', settings: {label: owner, value: bob}, allowedToMutate: true}
kept: {module: 'file://label.wasm', settings: {label: owner, value: bob}}
";
