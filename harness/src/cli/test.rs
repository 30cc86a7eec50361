//! `harness test`: do these requests still get these answers?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::report::Colour;
use super::source::RegistryArgs;
use crate::cases::{self, Case, Difference};
use crate::host_capabilities::objects::Objects;
use crate::host_capabilities::{GrantPattern, Grants, HostCapabilities, Unavailable};
use crate::metadata::Metadata;
use crate::{Host, HostOptions, ModuleCache, Policy, Request};

const EXAMPLES: &str = "\
A file of cases (YAML or JSON) is a map:

  settings: {registries: [{name: demo, hosts: [demo.tencentcloudcr.com]}]}   # of every case without its own
  cases:
    - name: an image of the registry gets its Secret
      object: pods/tcr-image.yaml          # a path from this file's folder, or the object itself
      expect:
        patch: [{op: add, path: /spec/imagePullSecrets, value: [{name: tcr.ipsdemo}]}]
    - name: the label selects
      cluster: [{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}]
      settings: ...
      object: ...
      expect: {warnings: [{contains: some words}]}

A case has:
  object, oldObject    object alone is a CREATE, both are an UPDATE, oldObject alone is a DELETE
  username             who asks, default kubernetes-admin
  subResource          such as status
  request              a whole AdmissionReview or request, instead of the four above
  settings             the policy's settings
  cluster              the objects that the policy may read; without it the cluster cannot be asked
  expect               the answer: allowed (default true), code, message, patch, warnings, auditAnnotations;
                       or settingsRefused, without any object

What expect does not name must not be in the answer, audit annotations aside. A text is the whole text, or
{contains: a part of it}. The policy may ask its host for what its metadata declares, and for nothing else.

Exit codes: 0 every case passed, 1 one failed or a file is bad, 2 wrong usage.

Examples:
  harness test policy.wasm policy/cases
  harness test policy.wasm cases/pods.yaml --filter volume
  harness test registry://registry.example.com/policies/tcr:v1 our-cases.yaml -o json";

/// Put cases to a policy and compare its answers with the expected ones
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    /// The policy: a file, file://PATH or registry://HOST/REPOSITORY:TAG
    policy: String,

    /// Files of cases, and folders with such files (*.yaml, *.yml, *.json); - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Only the cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// How to print the results
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// How long each call may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout_ms: u64,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: a line for each case, and what is different
    Text,
    /// One JSON object a line for each case: file, name, passed, differences
    Json,
}

/// The result of one case.
#[derive(Serialize)]
struct Tried<'a> {
    file: &'a str,
    name: &'a str,
    passed: bool,
    differences: Vec<Difference>,
}

impl Test {
    /// Reads every file first: a bad one is told before any case is tried.
    pub(super) fn execute(self, colour: bool) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for path in &self.paths {
            for file in files_of(path)? {
                let cases = read(&file)?;
                files.push((file.display().to_string(), cases));
            }
        }
        let (wasm, name) = super::source::load(&self.policy, &self.registry)?;
        let failed = || format!("cannot test {}", self.policy);
        let host = Host::new(HostOptions {
            timeout: Duration::from_millis(self.timeout_ms),
            concurrency: 1,
            module_cache: ModuleCache::of_user(),
            ..HostOptions::default()
        })?;
        let policy = Policy::load(&host, &wasm).with_context(failed)?.named(&name);
        let grants = grants(&Metadata::of_module(&wasm).with_context(failed)?.unwrap_or_default())?;

        let (mut passed, mut failed) = (0, 0);
        for (file, cases) in &files {
            let mut is_first = true;
            for case in cases {
                if self.filter.as_ref().is_some_and(|text| !case.name.contains(text)) {
                    continue;
                }
                let differences = differences(&policy, &grants, case)?;
                let tried = Tried { file, name: &case.name, passed: differences.is_empty(), differences };
                *(if tried.passed { &mut passed } else { &mut failed }) += 1;
                super::print(&match self.output {
                    Output::Json => serde_json::to_string(&tried)? + "\n",
                    Output::Text => tried.text(std::mem::take(&mut is_first), colour),
                })?;
            }
        }
        if passed + failed == 0 {
            bail!("no case has {:?} in its name", self.filter.unwrap_or_default());
        }
        if self.output == Output::Text {
            super::print(&format!("\n{passed} passed, {failed} failed\n"))?;
        }
        match failed {
            0 => Ok(()),
            _ => bail!("{failed} of {} cases failed", passed + failed),
        }
    }
}

/// The files of a path: itself, or those in a folder, by name.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = || format!("cannot read the folder {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(failed)? {
        let file = entry.with_context(failed)?.path();
        let is_case =
            file.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|known| it == *known));
        if is_case && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("cannot test {}: no file in it is *.yaml, *.yml or *.json", path.display());
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> anyhow::Result<Vec<Case>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = |name: &str| super::read_text(&folder.join(name)).map_err(|error| format!("{error:#}"));
    let text = super::read_text(path)?;
    cases::parse(&text, &beside).with_context(|| format!("cannot read the cases of {}", path.display()))
}

/// What the metadata asks for, which is what an administrator would grant.
fn grants(metadata: &Metadata) -> anyhow::Result<Grants> {
    let operations: Result<Vec<GrantPattern>, _> =
        metadata.host_capabilities.iter().flatten().map(|pattern| pattern.parse()).collect();
    let operations = operations.context("the policy's metadata: hostCapabilities")?;
    Ok(Grants::of_whole_objects(operations, metadata.context_aware_resources.iter().cloned()))
}

fn differences(policy: &Policy, grants: &Grants, case: &Case) -> anyhow::Result<Vec<Difference>> {
    let cluster: Arc<dyn HostCapabilities> = match &case.cluster {
        Some(objects) => Arc::new(Objects::new(objects.clone())),
        None => Arc::new(Unavailable),
    };
    let policy = policy.with_capabilities(grants.clone(), cluster);
    let taken = policy.validate_settings(&case.settings);
    let differences = case.settings_differences(taken.err().map(|refusal| refusal.to_string()).as_deref());
    match &case.request {
        Some(request) if differences.is_empty() => {
            let request = Request::from_request(request.as_bytes())?;
            Ok(case.differences(&policy.evaluate(&request, &case.settings).response))
        }
        _ => Ok(differences),
    }
}

impl Tried<'_> {
    fn text(&self, is_first: bool, colour: bool) -> String {
        let mut text = String::new();
        if is_first {
            text += &format!("{}\n", self.file);
        }
        let word = match self.passed {
            true => Colour::Green.paint(colour, "ok    "),
            false => Colour::Red.paint(colour, "FAILED"),
        };
        text += &format!("  {word}  {}\n", self.name);
        for Difference { field, expected, found } in &self.differences {
            text += &format!("            {field}: expected {}\n", lines(expected));
            text +=
                &format!("            {:indent$}   found {}\n", "", lines(found), indent = field.len() + 2);
        }
        text
    }
}

/// Lines below the first one begin where that one does.
fn lines(text: &str) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() && it != '\n' { ' ' } else { it }).collect();
    plain.replace('\n', "\n                ")
}
