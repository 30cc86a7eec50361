//! Which host capabilities a module names, compared with those that its metadata declares.
//!
//! A guest passes namespace and operation as texts, which lie in its data. Finding both is no proof that it asks; not
//! finding them is one that it does not, unless it puts them together at run time.

use std::collections::BTreeSet;

use memchr::memmem;

use super::Metadata;
use crate::host_capabilities::{GrantPattern, operations};
use crate::wasm_section::{SectionError, sections};

/// The section of a module that has its memory's first contents.
const DATA: u8 = 11;

/// The differences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Named by the module, and covered by nothing in the metadata.
    pub undeclared: BTreeSet<String>,
    /// In the metadata, without matching a name in the module.
    pub unused: BTreeSet<String>,
}

/// Compares a module with metadata, whose patterns were checked.
///
/// # Errors
/// The module is damaged.
pub fn mismatch(wasm: &[u8], metadata: &Metadata) -> Result<Mismatch, SectionError> {
    let mut data = Vec::new();
    for section in sections(wasm)?.iter().filter(|section| section.id == DATA) {
        data.extend_from_slice(section.content);
    }
    let used: Vec<(&str, &str)> =
        operations().filter(|(namespace, operation)| is_named(&data, namespace, operation)).collect();
    let declared = metadata.host_capabilities.iter().flatten();
    let declared: Vec<(&String, GrantPattern)> =
        declared.filter_map(|text| Some((text, text.parse().ok()?))).collect();
    let covers = |pattern: &GrantPattern| {
        used.iter().any(|(namespace, operation)| pattern.covers(namespace, operation))
    };
    Ok(Mismatch {
        undeclared: used
            .iter()
            .filter(|(namespace, operation)| {
                !declared.iter().any(|(_, pattern)| pattern.covers(namespace, operation))
            })
            .map(|(namespace, operation)| format!("{namespace}/{operation}"))
            .collect(),
        unused: declared
            .iter()
            .filter(|(_, pattern)| !covers(pattern))
            .map(|(text, _)| (*text).clone())
            .collect(),
    })
}

/// An operation whose name begins a longer one (`oci_manifest`, `oci_manifest_config`) must be there by itself.
fn is_named(data: &[u8], namespace: &str, operation: &str) -> bool {
    let longer: Vec<&str> = operations()
        .map(|(_, other)| other)
        .filter(|other| *other != operation && other.starts_with(operation))
        .collect();
    let is_itself = |at: usize| {
        !longer.iter().any(|longer| data.get(at..).is_some_and(|rest| rest.starts_with(longer.as_bytes())))
    };
    memmem::find(data, namespace.as_bytes()).is_some()
        && memmem::find_iter(data, operation.as_bytes()).any(is_itself)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with nothing but this in its data.
    fn module(data: &str) -> Vec<u8> {
        wat::parse_str(format!("(module (memory 1) (data (i32.const 0) \"{data}\"))")).unwrap()
    }

    fn of(data: &str, declared: &[&str]) -> (Vec<String>, Vec<String>) {
        let declared = declared.iter().map(|it| (*it).to_owned()).collect();
        let metadata = Metadata { host_capabilities: Some(declared), ..Metadata::default() };
        let Mismatch { undeclared, unused } = mismatch(&module(data), &metadata).unwrap();
        (undeclared.into_iter().collect(), unused.into_iter().collect())
    }

    #[test]
    fn what_is_named_must_be_declared_and_the_other_way_round() {
        let none = || Vec::<String>::new();
        let list = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("kubewarden kubernetes", &[]), (none(), none()));
        let both = "kubewardenkubernetesget_resourcelist_resources_by_namespace";
        let used = ["kubernetes/get_resource", "kubernetes/list_resources_by_namespace"];
        assert_eq!(of(both, &["oci/v1/verify"]), (list(&used), list(&["oci/v1/verify"])));
        assert_eq!(of(both, &["kubernetes/*"]), (none(), none()));
        assert_eq!(of("oci v1/oci_manifest_config", &["*"]), (none(), none()));
        assert_eq!(of("oci v1/oci_manifest_config", &[]), (list(&["oci/v1/oci_manifest_config"]), none()));
        assert_eq!(of("can_i", &[]), (none(), none()), "the namespace is missing");
        assert_eq!(of("nothing", &["net/*"]), (none(), list(&["net/*"])));
    }
}
