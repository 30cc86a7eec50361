//! A policy that is a program, written in Go with nothing but its standard library: execution mode `wasi`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

const METADATA: &str = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: false\nexecutionMode: wasi\ncontextAwareResources: [{apiVersion: v1, kind: Namespace}]\n";
const OBJECTS: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: play, labels: {images: any}}\n";

fn pod(namespace: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {{containers: [{{name: web, image: {image}}}]}}\n"
    )
}

fn build(folder: &Path) -> Result<()> {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).context(name.to_owned());
    write("main.go", include_str!("wasi_program/main.go"))?;
    write("go.mod", "module program\n\ngo 1.24\n")?;
    write("metadata.yml", METADATA)?;
    std::fs::create_dir(folder.join("objects")).context("objects")?;
    write("objects/namespaces.yaml", OBJECTS)?;
    let mut go = Command::new("go");
    go.args(["build", "-ldflags=-s -w", "-o", "raw.wasm", "."]);
    let output = go.env("GOOS", "wasip1").env("GOARCH", "wasm").current_dir(folder).output();
    let output = output.context("cannot run go: install Go 1.26 or later (https://go.dev/dl)")?;
    ensure!(output.status.success(), "go build: {}", String::from_utf8_lossy(&output.stderr));
    harness(folder, &["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "program.wasm"]).map(drop)
}

/// What it prints, and its error.
fn harness(folder: &Path, arguments: &[&str]) -> Result<(String, String)> {
    let output = integration::program("harness").args(arguments).current_dir(folder).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_program_in_go_is_a_policy() -> Result<()> {
    let folder = tempfile::tempdir()?;
    build(folder.path())?;
    let run = |pod: &str, settings: &str| {
        std::fs::write(folder.path().join("pod.yaml"), pod)?;
        let arguments = [
            &["run", "program.wasm", "-r", "pod.yaml", "--settings-json", settings][..],
            &["--allow-context-aware", "--objects", "objects"],
        ];
        harness(folder.path(), &arguments.concat())
    };
    let settings = r#"{"registry": "registry.example.com"}"#;
    for (pod, message) in [
        (pod("shop", "registry.example.com/web"), None),
        (pod("play", "docker.io/nginx"), None),
        (pod("shop", "docker.io/nginx"), Some("docker.io/nginx is not from registry.example.com")),
    ] {
        let (told, error) = run(&pod, settings)?;
        let answer: Value = serde_json::from_str(&told).with_context(|| format!("{told}{error}"))?;
        ensure!(answer["allowed"] == message.is_none(), "{told}{error}");
        ensure!(answer["status"]["message"].as_str() == message, "{told}{error}");
    }
    let (told, _) = run(&pod("nowhere", "docker.io/nginx"), settings)?;
    ensure!(told.contains("get_resource: ") && told.contains("Cannot find v1/Namespace"), "{told}");
    let (_, error) = run(&pod("shop", "docker.io/nginx"), "{}")?;
    ensure!(
        error.contains("Provided settings are not valid: ") && error.contains("it must name a registry"),
        "{error}"
    );
    Ok(())
}
