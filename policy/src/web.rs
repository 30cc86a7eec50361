//! The policy as the page in `artifacts/web` calls it: the same entries over texts, the requests
//! that manifests lead to, and the rules of an ImagePullSecret field by field.

use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::CredentialSpec;
use tcr::names::derived_secret_name;
use tcr::rules::{self, Finding, RuleContext};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::cluster::Cluster;
use crate::{settings, validate};

#[cfg(test)]
mod tests;

#[wasm_bindgen]
extern "C" {
    /// What answers the policy's questions to the cluster.
    #[wasm_bindgen(typescript_type = "Cluster")]
    pub type PageCluster;

    #[wasm_bindgen(structural, method, catch)]
    fn ask(this: &PageCluster, operation: &str, request: &str) -> Result<String, Thrown>;

    /// What a page throws: an `Error`.
    #[wasm_bindgen(js_name = Error)]
    pub type Thrown;

    #[wasm_bindgen(constructor, js_class = "Error")]
    fn new(message: &str) -> Thrown;

    #[wasm_bindgen(structural, method, getter)]
    fn message(this: &Thrown) -> String;
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Answers the policy's questions to the cluster, as Kubewarden's host capabilities of the namespace `kubernetes` do. */
export interface Cluster {
  /** The JSON response to a JSON request. Throws an Error that says why there is none. */
  ask(operation: string, request: string): string;
}
"#;

impl Cluster for PageCluster {
    fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        let answer = PageCluster::ask(self, operation, &String::from_utf8_lossy(request));
        answer.map(String::into_bytes).map_err(|thrown| thrown.message())
    }
}

/// Decides about a request, with the settings as JSON: Kubewarden's `ValidationResponse`. Throws
/// what a host would answer with code 500.
#[wasm_bindgen]
pub fn evaluate(request: &str, settings: &str, cluster: &PageCluster) -> Result<String, Thrown> {
    let payload = [r#"{"request":"#, request, r#","settings":"#, settings, "}"].concat();
    match validate(payload.as_bytes(), cluster) {
        Ok(response) => Ok(String::from_utf8_lossy(&response).into_owned()),
        Err(error) => Err(Thrown::new(&error.to_string())),
    }
}

/// Every mistake of settings that are JSON; none when a host would take them.
#[wasm_bindgen(js_name = settingsMistakes)]
pub fn settings_mistakes(settings: &str) -> Vec<String> {
    settings::mistakes(settings.as_bytes())
}

/// The admission requests that the API server would send for a manifest that is JSON. Throws why
/// it is none.
#[wasm_bindgen]
pub fn requests(manifest: &str, operation: &str, username: &str) -> Result<Vec<String>, Thrown> {
    manifest::requests_by_name(manifest, operation, username).map_err(|error| Thrown::new(&error.to_string()))
}

/// What is wrong with an ImagePullSecret that is JSON, and what to know about it, field by field:
/// `{"errors": [{"field", "message"}], "warnings": [...]}`. `cluster_id` is the policy's setting
/// `clusterId`: absent, it is not judged. `cluster_region` is its setting `clusterRegion`.
#[wasm_bindgen]
pub fn findings(
    object: &str,
    allowed_roots: Vec<String>,
    allowed_aliases: Vec<String>,
    allowed_roles: Vec<String>,
    cluster_id: Option<String>,
    cluster_region: Option<String>,
) -> String {
    let context = RuleContext {
        allowed_roots: &allowed_roots,
        allowed_aliases: &allowed_aliases,
        allowed_roles: &allowed_roles,
        cluster_id: cluster_id.as_deref().filter(|id| !id.is_empty()),
        description_required: cluster_id.is_some(),
        cluster_region: cluster_region.as_deref().filter(|region| !region.is_empty()),
    };
    let findings = match crate::json::value(object.as_bytes()) {
        Ok(object) => match rules::read(&object) {
            Ok((name, spec)) => rules::check(&name, &spec, &context),
            Err(findings) => findings,
        },
        Err(error) => {
            let unreadable = Finding { field: "object".to_owned(), message: error.to_string() };
            rules::Findings { errors: vec![unreadable], warnings: Vec::new() }
        }
    };
    // Texts in lists: nothing here can fail to serialise.
    serde_json::to_string(&findings).unwrap_or_default()
}

/// What keeps a domain and an address from being an entry of the nodes' hosts files.
#[wasm_bindgen(js_name = hostsEntryProblem)]
pub fn hosts_entry_problem(domain: &str, ip: &str) -> Option<String> {
    HostsEntry::new(domain, ip, false).err().map(|error| error.to_string())
}

/// The name of the Secret that the ImagePullSecret `name` leads to.
#[wasm_bindgen(js_name = secretName)]
pub fn secret_name(name: &str) -> String {
    derived_secret_name(name)
}

/// The description that a credential gets when none is set.
#[wasm_bindgen(js_name = defaultDescription)]
pub fn default_description(cluster_id: &str) -> String {
    CredentialSpec::default().description_in(Some(cluster_id)).unwrap_or_default()
}
