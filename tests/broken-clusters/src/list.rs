//! The list.

use super::{BrokenCluster, Tried};

const fn way(
    name: &'static str,
    how: &'static str,
    reason: &'static str,
    to_do: &'static str,
    tried: Tried,
) -> BrokenCluster {
    BrokenCluster { name, how, reason, to_do, tried }
}

const CONTROL_PLANE: Tried = Tried::ControlPlane;
const LONG: Tried = Tried::ControlPlaneLong;

/// All of them, by what they are about.
pub const GROUPS: &[(&str, &[BrokenCluster])] = &[
    (
        "The image's name",
        &[
            way(
                "tag-mistyped",
                "The image's tag is another one than was pushed.",
                "ImageNotFound",
                "correct the image's name or tag",
                CONTROL_PLANE,
            ),
            way("never-pushed", "Nobody pushed the image yet.", "ImageNotFound", "push it", LONG),
            way(
                "repository-with-capitals",
                "The image's repository has capitals, which no registry takes.",
                "InvalidImage",
                "correct the image's name",
                LONG,
            ),
            way(
                "host-mistyped",
                "Two letters of the image's host are exchanged.",
                "RegistryUnknown",
                "correct the image's host to demo.tencentcloudcr.com",
                CONTROL_PLANE,
            ),
            way(
                "host-with-capitals",
                "The image's host has capitals: kubelets compare hosts as they are written.",
                "HostNotLowerCase",
                "write the image's host in lower case, demo.tencentcloudcr.com",
                CONTROL_PLANE,
            ),
            way(
                "host-with-port",
                "The image's host has `:443` after it: kubelets find no credential by it.",
                "RegistryUnknown",
                "correct the image's host to demo.tencentcloudcr.com",
                LONG,
            ),
        ],
    ),
    (
        "Which Pods an ImagePullSecret is for",
        &[
            way(
                "namespace-not-listed",
                "`spec.namespaces` does not have the namespace.",
                "NamespaceNotSelected",
                "add namespace-not-listed to spec.namespaces of ImagePullSecret demo",
                CONTROL_PLANE,
            ),
            way(
                "namespace-excluded",
                "`spec.namespaces` excludes the namespace.",
                "NamespaceExcluded",
                "take the exclusion of namespace-excluded out of spec.namespaces",
                LONG,
            ),
            way(
                "namespace-without-label",
                "The namespace lacks a label of `spec.namespaceSelector`.",
                "NamespaceNotSelected",
                "label the namespace namespace-without-label",
                CONTROL_PLANE,
            ),
            way(
                "serviceaccount-not-listed",
                "`spec.serviceAccounts` does not have the Pod's ServiceAccount.",
                "ServiceAccountNotSelected",
                "add robot to spec.serviceAccounts",
                LONG,
            ),
            way(
                "serviceaccount-excluded",
                "`spec.serviceAccounts` excludes the Pod's ServiceAccount.",
                "ServiceAccountExcluded",
                "give the Pod another ServiceAccount",
                LONG,
            ),
            way(
                "vpc-domain-not-listed",
                "The image is named by the instance's VPC domain, and `spec.tcr.domains` has the default one only.",
                "DomainNotListed",
                "add vpc to spec.tcr.domains of ImagePullSecret demo",
                CONTROL_PLANE,
            ),
            way(
                "instance-not-asked-for",
                "No ImagePullSecret is for the image's instance.",
                "RegistryUnknown",
                "make an ImagePullSecret for the instance of warehouse.tencentcloudcr.com",
                LONG,
            ),
            way(
                "imagepullsecret-being-deleted",
                "The ImagePullSecret is being deleted, and something keeps it from going.",
                "ImagePullSecretDeleting",
                "make the ImagePullSecret imagepullsecret-being-deleted again",
                LONG,
            ),
            way(
                "pod-made-before",
                "The Pod was made before its namespace was selected, and a Pod's list never changes.",
                "ReferenceMissing",
                "kubectl -n pod-made-before delete pod web",
                CONTROL_PLANE,
            ),
            way(
                "static-pod",
                "The Pod mirrors a static one, which can refer to no Secret.",
                "StaticPod",
                "let the API server run the Pod",
                LONG,
            ),
        ],
    ),
    (
        "The Secret that the controller writes",
        &[
            way(
                "secret-of-somebody-else",
                "A Secret of our name was there before, and is somebody else's.",
                "SecretForeign",
                "delete it (kubectl -n secret-of-somebody-else delete secret tcr.ipsdemo)",
                LONG,
            ),
            way(
                "secret-changed-back",
                "A program writes over the Secret again and again.",
                "SecretEdited",
                "stop kubectl-patch from changing it",
                LONG,
            ),
            way(
                "secret-over-quota",
                "The namespace's quota has no room for another Secret.",
                "SecretRefused",
                "mend what refuses it",
                LONG,
            ),
            way(
                "reference-refused-by-policy",
                "A policy of the cluster lets nobody change the Pod's ServiceAccount.",
                "ReferenceRefused",
                "mend what refuses it",
                LONG,
            ),
            way(
                "controller-away",
                "The Secret was deleted while no controller runs.",
                "ControllerAway",
                "see why no controller runs: kubectl -n tcr-assistant-system get pods",
                LONG,
            ),
        ],
    ),
    (
        "Secrets of the Pod's own",
        &[
            way(
                "own-secret-not-base64",
                "`auth` of a Secret that the Pod lists is no base64: every pull of the Pod fails by it.",
                "SecretBroken",
                "correct the Secret partner",
                CONTROL_PLANE,
            ),
            way(
                "own-secret-with-blanks",
                "There is a blank before `auth` in a Secret that the Pod lists.",
                "SecretBroken",
                "correct the Secret partner",
                LONG,
            ),
            way(
                "own-secret-with-identity-token",
                "The entry has an identity token, which kubelets do not know, and no password.",
                "CredentialWithoutPassword",
                "write a user name and a password for registry.example.com into Secret partner",
                CONTROL_PLANE,
            ),
            way(
                "own-secret-of-credential-store",
                "The entry is empty: the password is in the credential store of the machine that it was made on.",
                "CredentialWithoutPassword",
                "write a user name and a password for registry.example.com into Secret partner",
                LONG,
            ),
            way(
                "own-password-mistyped",
                "The password in the Secret is wrong.",
                "CredentialRefused",
                "correct the credential in Secret partner",
                CONTROL_PLANE,
            ),
            way(
                "own-secret-of-wrong-type",
                "The Secret is of type Opaque, which kubelets do not read.",
                "PullSecretIgnored",
                "delete the Secret partner and make it again as one for pulls",
                LONG,
            ),
            way(
                "own-secret-missing",
                "The Secret that the Pod lists does not exist.",
                "PullSecretNotFound",
                "make it (kubectl -n own-secret-missing create secret docker-registry partner",
                CONTROL_PLANE,
            ),
            way(
                "own-secret-for-mistyped-host",
                "The entry's host is not the image's: two letters are exchanged.",
                "PullSecretForOther",
                "correct registry.exmaple.com to registry.example.com in the Secret partner",
                LONG,
            ),
            way(
                "no-secret-for-registry",
                "The image is private, and the Pod has no Secret for its registry.",
                "NoCredential",
                "make a pull secret for registry.example.com and refer to it in the Pod",
                LONG,
            ),
        ],
    ),
    (
        "The credential",
        &[
            way(
                "password-not-given",
                "`spec.docker.passwordSecretRef` names a Secret that is not there.",
                "CredentialInvalid",
                "there is no Secret \"warehouse-password\" with the label",
                LONG,
            ),
            way(
                "password-mistyped",
                "`spec.docker.password` is wrong.",
                "CredentialInvalid",
                "correct spec.docker, or make its credential valid again",
                LONG,
            ),
            way(
                "cloud-rights-missing",
                "The API credential's identity may not make credentials.",
                "CredentialInvalid",
                "perform operation (tcr:CreateInstanceToken)",
                LONG,
            ),
            way(
                "instance-id-mistyped",
                "`spec.tcr.instanceId` is of no instance.",
                "CredentialInvalid",
                "check spec.tcr.instanceId and spec.tcr.region",
                LONG,
            ),
            way(
                "region-mistyped",
                "`spec.tcr.region` is another one than the instance's.",
                "CredentialInvalid",
                "check spec.tcr.instanceId and spec.tcr.region",
                LONG,
            ),
            way(
                "instance-isolated",
                "The instance is isolated, for its account is in arrears.",
                "CredentialInvalid",
                "is Isolate and not Running",
                LONG,
            ),
            way(
                "identity-may-not-pull",
                "The identity behind the credential may not pull from the repository.",
                "NotAllowed",
                "let the identity behind ImagePullSecret demo pull team/app (tcr:PullRepository)",
                CONTROL_PLANE,
            ),
            way(
                "credential-switched-off",
                "Somebody switched the credential off in the console.",
                "CredentialRefused",
                "at once: kubectl -n tcr-assistant-system rollout restart deployment/tcr-assistant-controller-manager",
                LONG,
            ),
        ],
    ),
    (
        "The way from the node to the registry",
        &[way(
            "private-link-missing",
            "The instance has no private link to the VPC that `spec.tcr.privateNetwork` names.",
            "PrivateLinkDown",
            "mend the private link",
            LONG,
        )],
    ),
];
