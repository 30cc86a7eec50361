//! `harness scaffold admission-request`: the request that the API server would send about an object.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use super::super::operation::OperationArg;
use crate::document;
use crate::manifest::{self, Manifested};

/// The admission request that the API server would send about an object
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  harness scaffold admission-request -o CREATE --object pod.yaml > request.json
  harness scaffold admission-request -o UPDATE --object new.yaml --old-object old.yaml
  harness scaffold admission-request -o DELETE --old-object pod.yaml")]
pub(super) struct AdmissionRequest {
    /// What is done to the object
    #[arg(short, long, value_enum, ignore_case = true, value_name = "TYPE")]
    operation: OperationArg,

    /// The object as it shall be, YAML or JSON
    #[arg(long, value_name = "PATH")]
    object: Option<PathBuf>,

    /// The object as it is
    #[arg(long, value_name = "PATH")]
    old_object: Option<PathBuf>,

    /// Who does it
    #[arg(long, default_value = "kubernetes-admin")]
    username: String,
}

impl AdmissionRequest {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let (json, old) = match (self.operation, &self.object, &self.old_object) {
            (OperationArg::Create, Some(object), None) => (read(object)?, None),
            (OperationArg::Create, ..) => bail!("CREATE takes --object, and no --old-object"),
            (OperationArg::Update, Some(object), Some(old)) => (read(object)?, Some(read(old)?)),
            (OperationArg::Update, ..) => bail!("UPDATE takes --object and --old-object"),
            (OperationArg::Delete, None, Some(old)) => (read(old)?, None),
            (OperationArg::Delete, ..) => bail!("DELETE takes --old-object, and no --object"),
        };
        let manifested = Manifested {
            operation: self.operation.into(),
            username: &self.username,
            sub_resource: "",
            old: old.as_deref(),
        };
        let requests =
            manifest::requests(&json, &manifested).context("cannot make a request of the object")?;
        let [request] = &requests[..] else { bail!("{} objects where one was expected", requests.len()) };
        let request: Value = serde_json::from_str(request)?;
        super::super::files::print(&(serde_json::to_string_pretty(&request)? + "\n"))
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("cannot read the object {}", path.display());
    let documents = document::read(&super::super::files::read_text(path)?).with_context(failed)?;
    match &documents[..] {
        [document] => Ok(document.json().to_owned()),
        several => bail!("{}: {} documents where one was expected", failed(), several.len()),
    }
}
