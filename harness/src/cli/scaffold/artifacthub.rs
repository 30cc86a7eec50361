//! `harness scaffold artifacthub`: the artifacthub-pkg.yml of a policy, from its metadata.
//!
//! See <https://artifacthub.io/docs/topics/repositories/kubewarden-policies>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::metadata::{Metadata, SOURCE_ANNOTATION, USAGE_ANNOTATION};

const HEADER: &str = "\
# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   harness scaffold artifacthub > artifacthub-pkg.yml
";

/// The artifacthub-pkg.yml of a policy, from its metadata
#[derive(Debug, Args)]
pub(super) struct Artifacthub {
    /// The metadata [default: metadata.yml or metadata.yaml here]
    #[arg(short, long, value_name = "PATH")]
    metadata_path: Option<PathBuf>,

    /// The questions that Rancher's UI asks [default: questions-ui.yml, questions.yml and the like here]
    #[arg(short, long, value_name = "PATH")]
    questions_path: Option<PathBuf>,

    /// Where to write it, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// No longer used by kwctl either: the metadata's annotation io.kubewarden.policy.version counts
    #[arg(short = 'v', long = "version", value_name = "VERSION", hide = true)]
    policy_version: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    version: &'a str,
    name: &'a str,
    display_name: &'a str,
    created_at: String,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    #[serde(rename = "homeURL", skip_serializing_if = "Option::is_none")]
    home_url: Option<&'a str>,
    containers_images: Vec<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    maintainers: Vec<Maintainer<'a>>,
    provider: BTreeMap<&'static str, &'static str>,
    recommendations: Vec<BTreeMap<&'static str, &'static str>>,
    annotations: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readme: Option<&'a str>,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
    image: String,
}

#[derive(Serialize)]
struct Link {
    name: &'static str,
    url: String,
}

#[derive(Serialize)]
struct Maintainer<'a> {
    name: &'a str,
    email: &'a str,
}

impl Artifacthub {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        if self.policy_version.is_some() {
            tracing::warn!(
                "--version has no meaning any more: the metadata's annotation io.kubewarden.policy.version is used"
            );
        }
        let path = match self.metadata_path {
            Some(path) => path,
            None => here(&["metadata.yml", "metadata.yaml"]).ok_or_else(|| {
                anyhow!("path to metadata file not provided, plus 'metadata.yml' not found")
            })?,
        };
        let failed = || format!("cannot use metadata {}", path.display());
        let metadata = Metadata::parse(&super::super::files::read_text(&path)?).with_context(failed)?;
        let questions = self
            .questions_path
            .or_else(|| here(&["questions-ui.yml", "questions-ui.yaml", "questions.yml", "questions.yaml"]));
        let questions = questions.map(|path| super::super::files::read_text(&path)).transpose()?;
        let text = package(&metadata, questions.as_deref(), Timestamp::now()).with_context(failed)?;
        match self.output {
            Some(output) => super::super::files::write(&output, text.as_bytes()),
            None => super::super::files::print(&text),
        }
    }
}

fn here(names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| Path::new(name).to_owned()).find(|path| path.is_file())
}

fn package(metadata: &Metadata, questions: Option<&str>, now: Timestamp) -> anyhow::Result<String> {
    let none = BTreeMap::new();
    let written = metadata.annotations.as_ref().unwrap_or(&none);
    let known = |name: &str| written.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
    let needed = |name: &str| known(name).ok_or_else(|| anyhow!("annotations: {name} is missing"));
    let version = needed("io.kubewarden.policy.version")?;
    if !is_version(version) {
        bail!(
            "annotations: io.kubewarden.policy.version: \"{version}\" is no semantic version such as 1.2.3"
        );
    }
    let image = format!("{}:v{version}", needed("io.kubewarden.policy.ociUrl")?);
    let mut annotations = BTreeMap::from([
        ("kubewarden/mutation", metadata.mutating.to_string()),
        ("kubewarden/contextAware", (!metadata.context_aware_resources.is_empty()).to_string()),
        ("kubewarden/rules", serde_saphyr::to_string(&metadata.rules)?),
    ]);
    let more = [
        ("kubewarden/resources", known("io.artifacthub.resources")),
        ("kubewarden/hidden-ui", known("io.kubewarden.hidden-ui")),
        ("kubewarden/questions-ui", questions),
    ];
    annotations.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
    if !metadata.context_aware_resources.is_empty() {
        let resources = serde_saphyr::to_string(&metadata.context_aware_resources)?;
        annotations.insert("kubewarden/contextAwareResources", resources);
    }
    let package = Package {
        version,
        name: needed("io.kubewarden.policy.title")?,
        display_name: needed("io.artifacthub.displayName")?,
        created_at: now.to_string(),
        description: needed("io.kubewarden.policy.description")?,
        license: known("io.kubewarden.policy.license"),
        home_url: known("io.kubewarden.policy.url"),
        containers_images: vec![Named { name: "policy", image }],
        keywords: keywords(known("io.artifacthub.keywords"))?,
        links: known(SOURCE_ANNOTATION).map(|source| links(source, version)).unwrap_or_default(),
        maintainers: known("io.kubewarden.policy.author").map(maintainers).transpose()?.unwrap_or_default(),
        provider: [("name", "kubewarden")].into(),
        recommendations: vec![
            [("url", "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller")].into(),
        ],
        annotations,
        readme: known(USAGE_ANNOTATION),
    };
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(&package)?))
}

fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|it| it.is_ascii_digit())
            && (*part == "0" || !part.starts_with('0'))
    };
    parts.len() == 3 && parts.iter().all(is_number)
}

fn keywords(csv: Option<&str>) -> anyhow::Result<Vec<&str>> {
    let words: Vec<&str> = csv.into_iter().flat_map(|csv| csv.split(',')).map(str::trim).collect();
    match words.iter().any(|word| word.is_empty()) {
        true => bail!("annotations: io.artifacthub.keywords: a word between two commas is empty"),
        false => Ok(words),
    }
}

/// The source, and on GitHub the release's module too.
fn links(source: &str, version: &str) -> Vec<Link> {
    let own = Link { name: "source", url: source.to_owned() };
    match source.starts_with("https://github.com/") {
        true => {
            let url = format!("{}/releases/download/v{version}/policy.wasm", source.trim_end_matches('/'));
            vec![Link { name: "policy", url }, own]
        }
        false => vec![own],
    }
}

/// `Name <address>`, several joined by commas.
fn maintainers(authors: &str) -> anyhow::Result<Vec<Maintainer<'_>>> {
    let read = |author: &'_ str| -> Option<(usize, usize)> {
        let start = author.find('<')?;
        let end = author.rfind('>').filter(|end| *end > start)?;
        author.get(start + 1..end)?.contains('@').then_some((start, end))
    };
    authors
        .split(',')
        .map(str::trim)
        .map(|author| match read(author) {
            Some((start, end)) => Ok(Maintainer {
                name: author[..start].trim().trim_matches('"'),
                email: author[start + 1..end].trim(),
            }),
            None if author.contains('@') && !author.contains(' ') => {
                Ok(Maintainer { name: "", email: author })
            }
            None => bail!("annotations: io.kubewarden.policy.author: \"{author}\" is not NAME <ADDRESS>"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const METADATA: &str = "\
rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
mutating: false
annotations:
  io.artifacthub.displayName: Pod Privileged
  io.artifacthub.keywords: pod, psp
  io.kubewarden.policy.title: pod-privileged
  io.kubewarden.policy.version: 1.2.3
  io.kubewarden.policy.description: Limits privileged containers
  io.kubewarden.policy.author: Ann <ann@example.com>, bob@example.com
  io.kubewarden.policy.ociUrl: ghcr.io/example/pod-privileged
  io.kubewarden.policy.source: https://github.com/example/p
";

    fn of(text: &str) -> Result<String, String> {
        let metadata = Metadata::parse(text).unwrap();
        package(&metadata, Some("questions: []\n"), Timestamp::UNIX_EPOCH).map_err(|error| error.to_string())
    }

    #[test]
    fn a_package_says_what_the_metadata_says() {
        let text = of(METADATA).unwrap();
        let (header, yaml) = text.split_at(HEADER.len());
        assert_eq!(header, HEADER);
        let package: serde_json::Value = crate::document::from_yaml(yaml).unwrap();
        expect![[r#"
            {
              "annotations": {
                "kubewarden/contextAware": "false",
                "kubewarden/mutation": "false",
                "kubewarden/questions-ui": "questions: []\n",
                "kubewarden/rules": "- apiGroups:\n  - \"\"\n  apiVersions:\n  - v1\n  resources:\n  - pods\n  operations:\n  - CREATE\n"
              },
              "containersImages": [
                {
                  "image": "ghcr.io/example/pod-privileged:v1.2.3",
                  "name": "policy"
                }
              ],
              "createdAt": "1970-01-01T00:00:00Z",
              "description": "Limits privileged containers",
              "displayName": "Pod Privileged",
              "keywords": [
                "pod",
                "psp"
              ],
              "links": [
                {
                  "name": "policy",
                  "url": "https://github.com/example/p/releases/download/v1.2.3/policy.wasm"
                },
                {
                  "name": "source",
                  "url": "https://github.com/example/p"
                }
              ],
              "maintainers": [
                {
                  "email": "ann@example.com",
                  "name": "Ann"
                },
                {
                  "email": "bob@example.com",
                  "name": ""
                }
              ],
              "name": "pod-privileged",
              "provider": {
                "name": "kubewarden"
              },
              "recommendations": [
                {
                  "url": "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller"
                }
              ],
              "version": "1.2.3"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&package).unwrap());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let without = |line: &str| {
            of(&METADATA
                .lines()
                .filter(|it| !it.contains(line))
                .map(|it| format!("{it}\n"))
                .collect::<String>())
        };
        assert_eq!(
            without("policy.title"),
            Err("annotations: io.kubewarden.policy.title is missing".to_owned())
        );
        assert_eq!(without("ociUrl"), Err("annotations: io.kubewarden.policy.ociUrl is missing".to_owned()));
        assert!(of(&METADATA.replace("1.2.3", "v1")).unwrap_err().contains("\"v1\" is no semantic version"));
        assert!(of(&METADATA.replace("pod, psp", "pod,,psp")).unwrap_err().contains("keywords"));
        assert!(
            of(&METADATA.replace("Ann <ann@example.com>", "Ann Lee")).unwrap_err().contains("\"Ann Lee\"")
        );
    }
}
