//! The binary: its output, files, signals and exit codes.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::json;
use tcr_cloud::Config;

use crate::client::call;
use crate::token_service::{ask, is_signed_by};

fn tcr_cloud(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcr-cloud"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> (Output, String, String) {
    let output = tcr_cloud(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

/// A server that does not outlive its test.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = tcr_cloud(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, stdout, url }
    }

    /// Its exit code, and everything it printed after the first line.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_serves_the_demo_until_it_is_terminated() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("url");
        let mut server = Server::start(&["serve", "--ready-file", ready.to_str().unwrap()]);
        let body = json!({"RegistryId": "tcr-demo0001"});
        let token = call(&server.url, "CreateInstanceToken", &body).unwrap().response();
        let password = token["Token"].as_str().unwrap();
        // The file comes before the line of output that was waited for.
        assert_eq!(fs::read_to_string(&ready).unwrap().trim(), server.url);
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "after SIG{signal}");
        assert!(!ready.exists(), "the file is true or not there");
        let (_, said) = server.end();
        assert!(!said.contains(password) && !said.contains("demoSecretKey"), "{said}");
    }
}

#[test]
fn the_certificate_of_the_token_service_is_there_before_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token.crt");
    let mut server =
        Server::start(&["serve", "--exit-with-stdin", "--token-certificate", path.to_str().unwrap()]);
    let certificate = fs::read_to_string(&path).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
    assert!(!certificate.contains("PRIVATE"), "only the certificate is told");
    let token =
        call(&server.url, "CreateInstanceToken", &json!({"RegistryId": "tcr-demo0001"})).unwrap().response();
    let text = |field: &str| token[field].as_str().unwrap();
    let answer = ask(&server.url, "tcr-demo0001", "", Some((text("Username"), text("Token"))));
    assert!(is_signed_by(&certificate, answer.json()["token"].as_str().unwrap()));
    drop(server.child.stdin.take());
    assert_eq!(server.end(), (Some(0), String::new()));
    assert!(!path.exists(), "the next cloud has another key");
}

#[test]
fn it_ends_with_its_stdin_when_asked_to() {
    let mut server = Server::start(&["serve", "--exit-with-stdin"]);
    assert!(call(&server.url, "DescribeRegions", &json!({})).is_some());
    drop(server.child.stdin.take());
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_configuration_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cloud.yaml");
    let (_, yaml, _) = output(&["config"]);
    fs::write(&path, yaml.replace("100012345678", "100077777777")).unwrap();
    let server = Server::start(&["serve", "--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    let body = json!({"RegistryId": "tcr-demo0001"});
    let token = call(&server.url, "CreateInstanceToken", &body).unwrap().response();
    assert_eq!(token["Username"], "100077777777");
}

#[test]
fn env_prints_what_a_shell_can_eval() {
    let account = &Config::demo().accounts[0];
    let (output, stdout, _) = output(&["env"]);
    assert!(output.status.success());
    assert_eq!(
        stdout,
        format!(
            "export TENCENTCLOUD_SECRET_ID='{}'\nexport TENCENTCLOUD_SECRET_KEY='{}'\nexport TENCENTCLOUD_REGION='ap-guangzhou'\n",
            account.secret_id,
            account.secret_key.expose()
        )
    );
}

#[test]
fn bad_input_is_named_and_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cloud.yaml");
    let path = path.to_str().unwrap();
    let (missing, _, stderr) = output(&["serve", "--config", path]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr.starts_with(&format!("error: cannot read {path}: ")), "{stderr}");
    fs::write(path, "accounts: []").unwrap();
    let (empty, _, stderr) = output(&["serve", "--config", path]);
    assert_eq!(empty.status.code(), Some(1));
    assert_eq!(stderr, format!("error: {path}: accounts: \"\" must name at least one account\n"));
    let (unknown, _, stderr) = output(&["env", "--account", "AKIDnobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(stderr, "error: --account: the configuration has no account \"AKIDnobody\"\n");
    let (usage, _, _) = output(&["serve", "--port", "1"]);
    assert_eq!(usage.status.code(), Some(2));
}
