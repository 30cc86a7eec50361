//! The Go modules that the programs are built from.

/// A Go module beside this crate, and what is built from it.
pub(super) struct Module {
    pub(super) folder: &'static str,
    pub(super) go_mod: &'static str,
    /// The folder under the cache; names the version.
    pub(super) cached: &'static str,
    /// Without the version kubectl cannot parse the server's, and charts see Kubernetes 1.20.
    pub(super) ldflags: &'static str,
    /// Build tags.
    pub(super) tags: &'static str,
    pub(super) needs: &'static str,
}

pub(super) const KUBERNETES: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes"),
    go_mod: include_str!("../../kubernetes/go.mod"),
    cached: "kubernetes-v1.35.4",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 \
        -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35",
    tags: "",
    needs: "Go 1.25 or newer",
};

/// Other versions of Kubernetes, for `./justw test versions`: kube-apiserver and kube-controller-manager alone. By minor
/// version.
pub(super) const OTHER_KUBERNETES: [(&str, Module); 2] = [("1.28", OLDEST), ("1.37", NEWEST)];

const OLDEST: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes-1.28"),
    go_mod: include_str!("../../kubernetes-1.28/go.mod"),
    cached: "kubernetes-v1.28.15",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.28.15 \
        -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=28",
    // Without the cloud providers that were still in its tree.
    tags: "providerless",
    needs: "Go 1.25 or newer",
};

const NEWEST: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes-1.37"),
    go_mod: include_str!("../../kubernetes-1.37/go.mod"),
    cached: "kubernetes-v1.37.2",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
        -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
    tags: "",
    needs: "Go 1.26 or newer",
};

pub(super) const HELM: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/helm"),
    go_mod: include_str!("../../helm/go.mod"),
    cached: "helm-v3.22.0",
    ldflags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
        -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=35 \
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=35",
    tags: "",
    needs: "Go 1.26 or newer",
};

pub(super) const APP: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/app"),
    go_mod: concat!(include_str!("../../app/go.mod"), include_str!("../../app/main.go")),
    cached: "app",
    ldflags: "-s -w",
    tags: "",
    needs: "Go 1.25 or newer",
};

pub(super) const CERT_MANAGER: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/cert-manager"),
    go_mod: concat!(include_str!("../../cert-manager/go.mod"), include_str!("../../cert-manager/main.go")),
    cached: "cert-manager-v1.21.2",
    ldflags: "-s -w",
    tags: "",
    needs: "Go 1.26 or newer",
};

pub(super) const ARGO_CD: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/argo-cd"),
    go_mod: concat!(include_str!("../../argo-cd/go.mod"), include_str!("../../argo-cd/main.go")),
    cached: "gitops-engine-v0.7.1-20250521",
    ldflags: "-s -w",
    tags: "",
    needs: "Go 1.26 or newer",
};

pub(super) const FLUX: Module = Module {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/flux"),
    go_mod: concat!(include_str!("../../flux/go.mod"), include_str!("../../flux/main.go")),
    cached: "flux-ssa-v0.78.0",
    ldflags: "-s -w",
    tags: "",
    needs: "Go 1.26 or newer",
};
