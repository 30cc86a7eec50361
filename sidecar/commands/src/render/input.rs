//! Manifests from files and stdin, as documents with their place.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::names::{API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND};

/// More than any manifest, so that a wrong file does not fill the memory.
const LARGEST: u64 = 16 * 1024 * 1024;

/// One object of a file.
pub(crate) struct Document {
    pub(crate) file: String,
    /// Its place in the file, from 1.
    number: usize,
    pub(crate) value: Value,
}

/// A valid ImagePullSecret.
pub(crate) struct Object {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) spec: ImagePullSecretSpec,
}

impl Object {
    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{}: {IMAGE_PULL_SECRET_KIND} {:?}", self.file, self.name)
    }
}

impl Document {
    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        match self.value.pointer("/metadata/name").and_then(Value::as_str) {
            Some(name) => {
                let kind = self.value.get("kind").and_then(Value::as_str).unwrap_or("object");
                format!("{}: {kind} {name:?}", self.file)
            }
            None => format!("{}: document {}", self.file, self.number),
        }
    }

    /// Why the document is not an ImagePullSecret, by its kind.
    pub(crate) fn not_an_image_pull_secret(&self) -> Option<String> {
        let field = |name: &str| self.value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, api_version, wanted) =
            (field("kind"), field("apiVersion"), format!("{API_GROUP}/{API_VERSION}"));
        if kind != IMAGE_PULL_SECRET_KIND {
            Some(format!("kind: {kind:?} is not {IMAGE_PULL_SECRET_KIND}"))
        } else if api_version != wanted {
            Some(format!("apiVersion: {api_version:?} is not {wanted}"))
        } else {
            None
        }
    }
}

/// The documents of all files, in order; the items of a List count as documents.
pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in files {
        let file = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
        let text = read_text(path).with_context(|| format!("cannot read {file}"))?;
        documents.extend(self::documents(&file, &text)?);
    }
    Ok(documents)
}

/// The documents of a file's text.
pub(crate) fn documents(file: &str, text: &str) -> anyhow::Result<Vec<Document>> {
    let values = parse(text).with_context(|| file.to_owned())?;
    if values.is_empty() {
        bail!("{file}: there is no object in it");
    }
    let numbered = values.into_iter().zip(1..);
    Ok(numbered.map(|(value, number)| Document { file: file.to_owned(), number, value }).collect())
}

pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?,
        false => std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?,
    };
    if read as u64 > LARGEST {
        bail!("it is larger than {LARGEST} bytes");
    }
    String::from_utf8(bytes).context("it is not UTF-8")
}

pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let mut options = serde_saphyr::Options::default();
    // A snippet of the file in the message could show a password.
    options.with_snippet = false;
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| anyhow::Error::msg(yaml_problem(&error)))?;
    Ok(documents.into_iter().flat_map(items).collect())
}

/// The place and kind of a mistake. The parser's own message may quote the text around it.
fn yaml_problem(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(place) => format!("not YAML: mistake at line {}, column {}", place.line(), place.column()),
        None => "not YAML".to_owned(),
    }
}

/// The items of a `v1` List, which `kubectl get -o yaml` prints; else the document itself.
fn items(document: Value) -> Vec<Value> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Object(mut fields) if is_list => match fields.remove("items") {
            Some(Value::Array(items)) => items,
            _ => vec![Value::Object(fields)],
        },
        other => vec![other],
    }
}
