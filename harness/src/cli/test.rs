//! `harness test`: do these requests still get these answers?

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::source::RegistryArgs;
use crate::cases::update::with_expectation;
use crate::cases::{self, Case, Difference};
use crate::host_capabilities::objects::Objects;
use crate::host_capabilities::{GrantPattern, Grants, HostCapabilities, Unavailable};
use crate::metadata::Metadata;
use crate::{Host, HostOptions, ModuleCache, Policy, Request};

mod coverage;
mod results;
mod watch;

use results::CaseResult;

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

Cases are tried on as many threads as there are processors. Their order in what is printed is that of the files.

Exit codes: 0 every case passed (with --update: and is written), 1 one failed or a file is bad, 2 wrong usage.

Examples:
  harness test policy.wasm policy/cases
  harness test policy.wasm cases/pods.yaml --filter volume
  harness test policy.wasm cases --junit report.xml --coverage      for a pipeline
  harness test policy.wasm cases --watch                            again whenever the policy or a case changes
  harness test policy.wasm cases --update                           show what is different, and write it down
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

    /// Write the results as JUnit XML, too
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,

    /// Cases at a time [default: the number of processors]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// Write the policy's answers into the files, as what is expected, after showing what is different
    #[arg(long)]
    update: bool,

    /// Say which of the rules in the policy's metadata no case is for
    #[arg(long)]
    coverage: bool,

    /// Go on, and try again whenever the policy or a file of cases or beside one changes
    #[arg(long, conflicts_with = "update")]
    watch: bool,

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

/// A file of cases.
struct CaseFile {
    path: PathBuf,
    text: String,
    cases: Vec<Case>,
}

impl Test {
    pub(super) fn execute(self, colour: bool) -> anyhow::Result<()> {
        if self.watch {
            return watch::watch(|| {
                let mut seen = BTreeSet::from([PathBuf::from(&self.policy)]);
                let result = self.try_all(colour, &mut seen);
                (result, seen)
            });
        }
        self.try_all(colour, &mut BTreeSet::new())
    }

    /// Reads every file first: a bad one is told before any case is tried. `seen` gets the files that were read.
    fn try_all(&self, colour: bool, seen: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for path in &self.paths {
            for file in files_of(path)? {
                seen.insert(file.clone());
                files.push(read(&file, seen)?);
            }
        }
        let (wasm, name) = super::source::load_stored(&self.policy, &self.registry)?;
        let failed = || format!("cannot test {}", self.policy);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or(processors, usize::from);
        let host = Host::new(HostOptions {
            timeout: Duration::from_millis(self.timeout_ms),
            concurrency: jobs,
            module_cache: ModuleCache::of_user(),
            ..HostOptions::default()
        })?;
        let metadata = Metadata::of_module(&wasm);
        // Of what is no module at all, that is what is wrong.
        let interface = metadata.as_ref().ok().and_then(|metadata| metadata.as_ref()?.interface());
        let policy =
            Policy::load_as(&host, &wasm, interface.unwrap_or_default()).with_context(failed)?.named(&name);
        let metadata = metadata.with_context(failed)?.unwrap_or_default();
        let grants = grants(&metadata)?;

        let chosen: Vec<(&CaseFile, usize)> = files
            .iter()
            .flat_map(|file| (0..file.cases.len()).map(move |index| (file, index)))
            .filter(|(file, index)| {
                self.filter.as_ref().is_none_or(|text| file.cases[*index].name.contains(text))
            })
            .collect();
        if chosen.is_empty() {
            bail!("no case has {:?} in its name", self.filter.clone().unwrap_or_default());
        }
        let results = try_cases(&policy, &grants, &chosen, jobs)?;
        let failed = results.iter().filter(|result| !result.passed).count();
        for (at, result) in results.iter().enumerate() {
            let is_first = at == 0 || results[at - 1].file != result.file;
            super::files::print(&match self.output {
                Output::Json => serde_json::to_string(result)? + "\n",
                Output::Text => result.text(is_first, colour),
            })?;
        }
        if self.output == Output::Text {
            super::files::print(&format!("\n{} passed, {failed} failed\n", results.len() - failed))?;
        }
        if self.coverage {
            let requests = chosen.iter().filter_map(|(file, index)| file.cases[*index].request.as_deref());
            super::files::print(
                &coverage::of(&metadata.rules, requests).shown(self.output == Output::Json)?,
            )?;
        }
        if let Some(path) = &self.junit {
            super::files::write(path, results::junit(&results).as_bytes())?;
        }
        match failed {
            0 => Ok(()),
            _ if self.update => update(&files, &chosen, &results),
            _ => bail!("{failed} of {} cases failed", results.len()),
        }
    }
}

/// Tries cases, so many at a time; the results in the order of the cases.
fn try_cases<'a>(
    policy: &Policy,
    grants: &Grants,
    chosen: &[(&'a CaseFile, usize)],
    jobs: usize,
) -> anyhow::Result<Vec<CaseResult<'a>>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<anyhow::Result<CaseResult<'a>>>>> =
        chosen.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(((file, index), place)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    chosen.get(at).zip(results.get(at))
                } {
                    let result = try_case(policy, grants, file, *index);
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    let results = results.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner));
    results.map(|result| result.unwrap_or_else(|| Err(anyhow!("a case was not tried")))).collect()
}

fn try_case<'a>(
    policy: &Policy,
    grants: &Grants,
    file: &'a CaseFile,
    index: usize,
) -> anyhow::Result<CaseResult<'a>> {
    let case = &file.cases[index];
    let began = Instant::now();
    let cluster: Arc<dyn HostCapabilities> = match &case.cluster {
        Some(objects) => Arc::new(Objects::new(objects.clone())),
        None => Arc::new(Unavailable),
    };
    let policy = policy.with_capabilities(grants.clone(), cluster);
    let refused = policy.validate_settings(&case.settings).err().map(|refusal| refusal.to_string());
    let mut differences: Vec<Difference> = case.settings_differences(refused.as_deref());
    let mut answer = refused.map(|refusal| serde_json::json!({ "settingsRefused": refusal }));
    if let (Some(request), true) = (&case.request, differences.is_empty()) {
        let request = Request::from_request(request.as_bytes())?;
        let response = policy.evaluate(&request, &case.settings).response;
        differences = case.differences(&response);
        answer = Some(case.expectation(&response));
    }
    let file = file.path.display().to_string();
    let passed = differences.is_empty();
    Ok(CaseResult { file, name: &case.name, passed, differences, answer, time: began.elapsed() })
}

/// Writes the answers of those that failed, each file once.
fn update(
    files: &[CaseFile],
    chosen: &[(&CaseFile, usize)],
    results: &[CaseResult<'_>],
) -> anyhow::Result<()> {
    for file in files {
        let failed = || format!("cannot write the answers into {}", file.path.display());
        let mut text = file.text.clone();
        for ((_, index), result) in
            chosen.iter().zip(results).filter(|((of, _), result)| std::ptr::eq(*of, file) && !result.passed)
        {
            let answer: &Value = result
                .answer
                .as_ref()
                .ok_or_else(|| {
                    anyhow!("case {:?}: its settings were taken, so that it needs an object", result.name)
                })
                .with_context(failed)?;
            text = with_expectation(&text, *index, answer)
                .map_err(|reason| anyhow!("case {:?}: {reason}", result.name))
                .with_context(failed)?;
        }
        if text != file.text {
            if file.path == Path::new("-") {
                bail!("cannot write the answers into standard input");
            }
            // What is written must be read as the same cases.
            let beside = |name: &str| beside(&file.path, name);
            cases::parse(&text, &beside).with_context(failed)?;
            super::files::write(&file.path, text.as_bytes())?;
            tracing::info!("wrote {}", file.path.display());
        }
    }
    Ok(())
}

/// The files of a path: itself, or those in a folder, by name.
pub(super) fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
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

fn read(path: &Path, seen: &mut BTreeSet<PathBuf>) -> anyhow::Result<CaseFile> {
    let read = RefCell::new(seen);
    let beside = |name: &str| {
        let text = beside(path, name)?;
        read.borrow_mut().insert(folder(path).join(name));
        Ok(text)
    };
    let text = super::files::read_text(path)?;
    let cases = cases::parse(&text, &beside);
    let cases = cases.with_context(|| format!("cannot read the cases of {}", path.display()))?;
    Ok(CaseFile { path: path.to_owned(), text, cases })
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// A file that a case names.
fn beside(path: &Path, name: &str) -> Result<String, String> {
    super::files::read_text(&folder(path).join(name)).map_err(|error| format!("{error:#}"))
}

/// What the metadata asks for, which is what an administrator would grant.
fn grants(metadata: &Metadata) -> anyhow::Result<Grants> {
    let operations: Result<Vec<GrantPattern>, _> =
        metadata.host_capabilities.iter().flatten().map(|pattern| pattern.parse()).collect();
    let operations = operations.context("the policy's metadata: hostCapabilities")?;
    Ok(Grants::of_whole_objects(operations, metadata.context_aware_resources.iter().cloned()))
}
