//! Clusters from the field, as objects, with what is right to say of each.

use k8s_openapi::api::core::v1::{Event, Pod, Secret, ServiceAccount};
use serde::de::DeserializeOwned;

use super::*;
use crate::explain::objects::{account_facts, asked_for, event, pod_facts};

/// What a cluster of these objects leads to, where the registry lets the user `demo` in.
fn facts(objects: &str) -> Facts {
    let mut facts = Facts { asked: Seen::Known(Vec::new()), answers: BTreeMap::new(), ..well() };
    facts.secrets.clear();
    facts.account = Seen::Known(None);
    let (mut events, mut asked) = (Vec::new(), Vec::new());
    for object in objects.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(object).unwrap();
        let kind = object["kind"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "Pod" => facts.pod = pod_facts(&read::<Pod>(object)),
            "ServiceAccount" => {
                facts.account = Seen::Known(Some(account_facts(&read::<ServiceAccount>(object))))
            }
            "ImagePullSecret" => asked.push(asked_for(read(object))),
            "Event" => events.extend(event(read::<Event>(object))),
            "Secret" => {
                let mut secret: Secret = read(object);
                // As the API server does.
                for (key, text) in secret.string_data.take().unwrap_or_default() {
                    let bytes = k8s_openapi::ByteString(text.into_bytes());
                    secret.data.get_or_insert_default().insert(key, bytes);
                }
                let name = secret.metadata.name.clone().unwrap();
                facts.secrets.insert(name, Seen::Known(Some(SecretFacts::of(&secret))));
            }
            other => panic!("no {other} is expected"),
        }
    }
    facts.asked = Seen::Known(asked);
    facts.events = Seen::Known(events);
    facts.secrets.entry("tcr.ipsdemo".to_owned()).or_insert(Seen::Known(None));
    let answers = facts.questions().into_iter().map(|(question, _, login)| {
        let answer = match login {
            Some(login) if login.username == "demo" && login.password.expose() == "right" => {
                PullAnswer::Pulls
            }
            Some(_) => refused(),
            None => PullAnswer::NotAllowed("demo asks for a credential".to_owned()),
        };
        (question, answer)
    });
    facts.answers = answers.collect();
    facts
}

fn read<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

macro_rules! says {
    ($($name:ident, $file:literal: $expected:expr, never $never:expr;)*) => {$(
        #[test]
        fn $name() {
            let found = findings(&facts(include_str!(concat!("field/", $file, ".yaml"))));
            let told = text(&found, at(100));
            for expected in $expected {
                assert!(told.contains(expected), "{expected:?} is not said:\n{told}");
            }
            let never: &[&str] = &$never;
            for wrong in never {
                assert!(!told.contains(wrong), "{wrong:?} is said:\n{told}");
            }
            assert!(!told.contains("right"), "a password is shown");
        }
    )*};
}

says! {
    an_image_without_a_variant_for_the_node, "platform":
        ["it will not be pulled (PlatformMissing)", "no variant for the node's operating system and architecture", "To do: ask the image's author"],
        never ["To do: nothing", "ImageNotFound"];
    storage_that_is_not_reached, "cos-timeout":
        ["(StorageUnreachable)", "node-a does not reach tcr-bucket-1250000000.cos.ap-guangzhou.myqcloud.com, the storage"],
        never ["resolve demo.tencentcloudcr.com", "To do: nothing"];
    storage_that_refuses, "cos-403":
        ["(StorageRefused)", "cos.ap-guangzhou.myqcloud.com", "the registry's credential is not the cause"],
        never ["CredentialRefused", "To do: nothing"];
    a_full_disk, "disk-full":
        ["(NodeDiskFull)", "the node's disk is full", "To do: ask the platform team: free the node's disk"],
        never ["To do: nothing"];
    a_proxy_that_does_not_answer, "proxy":
        ["(ProxyFailed)", "NO_PROXY"],
        never ["PrivateLink", "To do: nothing"];
    a_public_address_though_the_link_is_up, "public-ip-dialled":
        ["(HostsFileNotUsed)", "it dialled 43.1.2.3", "nsswitch"],
        never ["PrivateLinkSilent", "To do: nothing"];
    an_image_of_sandboxes, "sandbox":
        ["(SandboxImageNotPulled)", "no Secret of a Pod serves", "To do: ask the platform team: give the container runtime"],
        never ["To do: nothing"];
    capitals_in_a_host, "uppercase-host":
        ["it will not be pulled (HostNotLowerCase)", "To do: write the image's host in lower case, demo.tencentcloudcr.com"],
        never ["may pull", "To do: nothing"];
    an_image_that_is_never_pulled, "never-2535":
        ["(ImageNeverPulled)", "the image is not on the node; or it is there", "not verified for this Pod's credential"],
        never ["To do: nothing"];
    null_for_auths, "null-auths":
        ["regcred  has no credential"],
        never ["makes every pull fail", "SecretBroken", "delete it"];
    base64_with_line_breaks, "auth-wrapped":
        ["may pull"],
        never ["makes every pull fail", "SecretBroken", "delete it", "delete secret"];
    an_identity_token, "identitytoken":
        ["(CredentialWithoutPassword)", "identity token, which kubelets do not know", "the user \"demo\" with an empty password", "To do: write a user name and a password"],
        never ["To do: nothing"];
}
