//! What each program of the control plane is started with.

use std::net::SocketAddr;

use super::files::{Files, SERVICE_NETWORK};

pub(super) fn etcd(files: &Files) -> Vec<String> {
    // It insists on a host and a port for what it tells other members and clients. There are none who ask.
    let nobody = "http://localhost:1";
    vec![
        "--name=test".to_owned(),
        format!("--data-dir={}", files.path("etcd")),
        // Sockets in the run's own folder: nobody else's, in whatever network namespace the API server is.
        format!("--listen-client-urls=unix://{}", files.etcd_socket().display()),
        format!("--listen-peer-urls=unix://{}", files.path("peers.sock")),
        format!("--advertise-client-urls={nobody}"),
        format!("--initial-advertise-peer-urls={nobody}"),
        format!("--initial-cluster=test={nobody}"),
        // A crash of the machine may lose data; a kill of etcd does not.
        "--unsafe-no-fsync".to_owned(),
        // What a benchmark stores is more than the usual 2 GiB.
        format!("--quota-backend-bytes={}", 8_u64 << 30),
        "--log-level=warn".to_owned(),
    ]
}

pub(super) fn apiserver(files: &Files, address: SocketAddr, audit: bool) -> Vec<String> {
    let ip = address.ip();
    let mut flags = vec![
        format!("--etcd-servers=unix://{}", files.etcd_socket().display()),
        format!("--bind-address={ip}"),
        format!("--advertise-address={ip}"),
        format!("--secure-port={}", address.port()),
        // The port is reserved by a socket of ours: see ReservedPort.
        "--permit-port-sharing=true".to_owned(),
        format!("--tls-cert-file={}", files.path("apiserver.crt")),
        format!("--tls-private-key-file={}", files.path("apiserver.key")),
        format!("--client-ca-file={}", files.path("ca.crt")),
        format!("--token-auth-file={}", files.path("tokens.csv")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_NETWORK}"),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-signing-key-file={}", files.path("service-accounts.key")),
        format!("--service-account-key-file={}", files.path("service-accounts.pub")),
    ];
    if ip.is_loopback() {
        // An Endpoints object must not name a loopback address: the reconciler would log that every ten seconds.
        flags.push("--endpoint-reconciler-type=none".to_owned());
    }
    if audit {
        flags.push(format!("--audit-policy-file={}", files.path("audit-policy.yaml")));
        flags.push(format!("--audit-log-path={}", files.audit_log().display()));
    }
    flags
}

pub(super) fn controller_manager(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.path("kubeconfig")),
        format!("--service-account-private-key-file={}", files.path("service-accounts.key")),
        format!("--root-ca-file={}", files.path("ca.crt")),
        format!("--cluster-signing-cert-file={}", files.path("ca.crt")),
        format!("--cluster-signing-key-file={}", files.path("ca.key")),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        // It serves nothing that anybody asks for, and so needs no port.
        "--secure-port=0".to_owned(),
        // Its own limits would make a thousand namespaces a matter of minutes.
        "--kube-api-qps=2000".to_owned(),
        "--kube-api-burst=4000".to_owned(),
    ]
}
