use super::*;

fn assets(programs: &[Program]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in programs {
        fs::write(folder.path().join(program.name()), "").unwrap();
    }
    folder
}

#[test]
fn assets_are_used_for_what_they_have_when_they_have_a_control_plane() {
    let folder = assets(&[Program::Etcd, Program::KubeApiserver]);
    let of = |program: Program| program.in_assets(Some(folder.path().into()));
    assert_eq!(of(Program::KubeApiserver), Some(folder.path().join("kube-apiserver")));
    assert_eq!(of(Program::Kubectl), None);
}

#[test]
fn assets_without_a_control_plane_are_not_used() {
    let folder = assets(&[Program::Kubectl, Program::Etcd]);
    assert_eq!(Program::Kubectl.in_assets(Some(folder.path().into())), None);
    assert_eq!(Program::Kubectl.in_assets(None), None);
}

#[test]
fn the_versions_named_are_those_of_the_modules() {
    assert!(KUBERNETES.go_mod.contains("\tk8s.io/kubernetes v1.35.4\n"));
    assert!(KUBERNETES.cached.ends_with("-v1.35.4") && KUBERNETES.ldflags.contains("gitVersion=v1.35.4 "));
    for (minor, module) in &OTHER_KUBERNETES {
        let version = module.cached.strip_prefix("kubernetes-v").unwrap();
        assert!(version.starts_with(&format!("{minor}.")));
        assert!(module.go_mod.contains(&format!("k8s.io/kubernetes v{version}\n")), "{version}");
        assert!(module.ldflags.contains(&format!("gitVersion=v{version} ")), "{version}");
        assert!(module.ldflags.ends_with(&format!("gitMinor={}", &minor[2..])), "{version}");
    }
    assert!(HELM.go_mod.contains("helm.sh/helm/v3 v3.22.0\n"));
    assert!(HELM.cached.ends_with("-v3.22.0") && HELM.ldflags.contains("version=v3.22.0 "));
    assert!(CERT_MANAGER.go_mod.contains("github.com/cert-manager/cert-manager v1.21.2\n"));
    assert!(CERT_MANAGER.cached.ends_with("-v1.21.2"));
    assert!(
        ARGO_CD.go_mod.contains("github.com/argoproj/gitops-engine v0.7.1-0.20250521000818-c08b0a72c1f1\n")
    );
    assert!(ARGO_CD.cached.ends_with("-v0.7.1-20250521"));
    assert!(FLUX.go_mod.contains("github.com/fluxcd/pkg/ssa v0.78.0\n"));
    assert!(FLUX.cached.ends_with("-v0.78.0"));
}

#[test]
fn another_kubernetes_is_chosen_by_its_minor_version() {
    let of = |version: &str| control_plane(Some(version.into())).map(|module| module.cached);
    assert_eq!(of("").unwrap(), "kubernetes-v1.35.4");
    assert_eq!(of("1.28").unwrap(), "kubernetes-v1.28.15");
    let error = of("1.12").unwrap_err().to_string();
    assert_eq!(error, "TCR_ASSISTANT_TEST_KUBERNETES=1.12 is not one of 1.28, 1.37");
}
