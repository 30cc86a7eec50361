//! Other programs that write pull secrets, by the names of their images.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::ListParams;
use tcr::names::SYSTEM_NAMESPACE;

use super::super::facts::Rival;
use super::list;
use crate::reader::{Reader, Right, Seen};

/// A program, recognised by the last part of its image's name.
struct Tool {
    image: &'static str,
    name: &'static str,
    does: &'static str,
    to_do: &'static str,
}

/// The effect of each was read in its source or its documentation.
const TOOLS: [Tool; 6] = [
    Tool {
        image: "imagepullsecret-patcher",
        name: "imagepullsecret-patcher",
        does: "writes the whole list of pull secrets of ServiceAccounts, without a look at what others added meanwhile",
        to_do: "remove it, or have it leave out the ServiceAccounts that ImagePullSecrets select (CONFIG_SERVICEACCOUNTS)",
    },
    Tool {
        image: "imps",
        name: "imps",
        does: "distributes pull secrets of its own by the same kind, ImagePullSecret",
        to_do: "remove it, or keep its secrets to other registries; kubectl get imagepullsecrets.tcr.tencentcloudcr.com names ours",
    },
    Tool {
        image: "registry-creds",
        name: "registry-creds",
        does: "updates whole ServiceAccounts, so that references of others may be lost",
        to_do: "remove it where ImagePullSecrets select the same ServiceAccounts",
    },
    Tool {
        image: "registry-creds-controller",
        name: "registry-creds",
        does: "updates whole ServiceAccounts, so that references of others may be lost",
        to_do: "remove it where ImagePullSecrets select the same ServiceAccounts",
    },
    Tool {
        image: "imagepullsecret-injector",
        name: "imagepullsecret-injector",
        does: "writes the list of pull secrets of ServiceAccounts",
        to_do: "remove it where ImagePullSecrets select the same ServiceAccounts",
    },
    Tool {
        image: "tcr-assistant",
        name: "another tcr-assistant",
        does: "keeps the same Secrets from another namespace",
        to_do: "uninstall one of the two; what Tencent's own add-on distributed is taken over with conflictPolicy: adopt",
    },
];

/// The programs in the cluster's Deployments.
pub(super) async fn find(reader: &Reader) -> Seen<Vec<Rival>> {
    let api: Api<Deployment> = Api::all(reader.client.clone());
    let right = Right { verb: "list", resource: "deployments.apps", namespace: None };
    list(reader, &api, ListParams::default(), right, rival).await
}

fn rival(deployment: Deployment) -> Option<Rival> {
    let (namespace, name) = (deployment.metadata.namespace?, deployment.metadata.name?);
    if namespace == SYSTEM_NAMESPACE {
        return None;
    }
    let containers = deployment.spec?.template.spec?.containers;
    let tool = containers.iter().filter_map(|it| tool(it.image.as_deref()?)).next()?;
    let Tool { name: tool, does, to_do, .. } = tool;
    Some(Rival { tool, does, to_do, place: format!("Deployment {namespace}/{name}") })
}

fn tool(image: &str) -> Option<&'static Tool> {
    let last = image.split('@').next()?.rsplit('/').next()?;
    let name = last.split(':').next()?;
    TOOLS.iter().find(|tool| tool.image == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_images_name_wherever_that_is_kept() {
        for (image, expected) in [
            ("quay.io/titansoft/imagepullsecret-patcher:v0.14", Some("imagepullsecret-patcher")),
            ("registry.local:5000/mirror/imps@sha256:0123", Some("imps")),
            ("ghcr.io/alexellis/registry-creds:0.3.2", Some("registry-creds")),
            ("ccr.ccs.tencentyun.com/tkeimages/tcr-assistant:v1.0", Some("another tcr-assistant")),
            ("example.com/imps-dashboard:1", None),
            ("tcr-assistant.example.com/web:1", None),
        ] {
            assert_eq!(tool(image).map(|it| it.name), expected, "{image}");
        }
    }
}
