//! `harness serve` as an API server and an operator meet it.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use reqwest::{Certificate, Client, StatusCode};

use crate::server::{PATIENCE, POLICIES, Server, add_policy, workspace};
use crate::support::{REVIEW, Ran, guest_with};

async fn check(server: &Server, path: &str, body: &str, expected: Expect) {
    let (status, text) = server.post(path, body).await;
    expected.assert_eq(&format!("{} {text}", status.as_u16()));
}

#[tokio::test]
async fn answers_are_policy_servers() {
    let workspace = workspace();
    let server = Server::ready(&workspace, POLICIES, &[]);
    check(&server, "/validate/strict", REVIEW, expect![[r#"200 {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"label \"owner\" is missing","code":422},"auditAnnotations":null,"warnings":null}}"#]]).await;
    check(&server, "/validate/told", REVIEW, expect![[r#"200 {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"ask the platform team","code":422,"details":{"causes":[{"message":"label \"owner\" is missing"}]}},"auditAnnotations":null,"warnings":null}}"#]]).await;
    check(&server, "/validate/watching", REVIEW, expect![[r#"200 {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}"#]]).await;
    check(&server, "/validate/adding", REVIEW, expect![[r#"200 {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7Im93bmVyIjoiYm9iIn19XQ==","auditAnnotations":{"added":"owner=bob"},"warnings":["label owner=bob was added"]}}"#]]).await;
    let (_, kept) = server.post("/validate/kept", REVIEW).await;
    assert!(
        kept.contains("currently configured to not allow mutations") && !kept.contains("patch\""),
        "{kept}"
    );
    // The audit scanner gets the policy's own answer.
    let (_, audited) = server.post("/audit/kept", REVIEW).await;
    assert!(audited.contains(r#""allowed":true"#) && audited.contains("JSONPatch"), "{audited}");
    let (_, audited) = server.post("/audit/watching", REVIEW).await;
    assert!(audited.contains(r#""allowed":false"#), "{audited}");
    let raw = r#"{"request":{"uid":"r-1","anything":[1e400]}}"#;
    let (status, text) = server.post("/validate_raw/strict", raw).await;
    assert!(status.is_success() && text.starts_with(r#"{"response":{"uid":"r-1""#), "{text}");

    let (_, metrics) = server.get("/metrics").await;
    let counted = r#"kubewarden_policy_evaluations_total{policy_name="strict",policy_mode="protect",resource_kind="Pod",resource_request_operation="CREATE",request_origin="validate",accepted="false",mutated="false"} 1"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let workspace = workspace();
    let server = Server::ready(&workspace, POLICIES, &["--max-body-bytes=2000"]);
    check(
        &server,
        "/validate/nobody",
        REVIEW,
        expect![[r#"404 {"message":"unknown policy: nobody","status":404}"#]],
    )
    .await;
    check(&server, "/validate/strict", "{", expect![[r#"400 {"message":"Failed to parse the request body as JSON: EOF while parsing an object at line 1 column 1","status":400}"#]]).await;
    check(
        &server,
        "/validate/strict",
        r#"{"request":{"uid":"u"}}"#,
        expect![[r#"422 {"message":"Failed to deserialize the JSON body into the target type: request: missing field `kind` at line 1 column 22","status":422}"#]],
    )
    .await;
    let request = |was: &str, is: &str| REVIEW.replace(was, is);
    for (was, is, expected) in [
        (
            r#""operation":"CREATE""#,
            r#""operation":"CREATE","dryRun":"yes""#,
            expect![[
                r#"422 {"message":"Failed to deserialize the JSON body into the target type: request.dryRun: invalid type: string \"yes\", expected a boolean at line 1 column 254","status":422}"#
            ]],
        ),
        (
            r#""operation":"CREATE""#,
            r#""operation":"CREATE","subResource":1"#,
            expect![[
                r#"422 {"message":"Failed to deserialize the JSON body into the target type: request.subResource: invalid type: integer `1`, expected a string at line 1 column 255","status":422}"#
            ]],
        ),
        (
            r#""uid":"u-1""#,
            r#""uid":"u-1","uid":"u-1""#,
            expect![[
                r#"422 {"message":"Failed to deserialize the JSON body into the target type: request: duplicate field `uid` at line 1 column 89","status":422}"#
            ]],
        ),
        (
            r#""bob""#,
            "7",
            expect![[
                r#"422 {"message":"Failed to deserialize the JSON body into the target type: request.userInfo.username: invalid type: integer `7`, expected a string at line 1 column 264","status":422}"#
            ]],
        ),
        (
            r#""userInfo":{"username":"bob"}"#,
            r#""userInfo":null"#,
            expect![[
                r#"422 {"message":"Failed to deserialize the JSON body into the target type: request.userInfo: invalid type: null, expected UserInfo at line 1 column 255","status":422}"#
            ]],
        ),
        (
            r#""name":"p","namespace""#,
            r#""name":"a/b","namespace""#,
            expect![[
                r#"422 {"message":"cannot read the review: \"request.name\": \"a/b\" must not contain \"/\" or \"%\"","status":422}"#
            ]],
        ),
    ] {
        check(&server, "/validate/strict", &request(was, is), expected).await;
    }
    check(&server, "/validate/strict", r#"{"request":null}"#, expect![[r#"422 {"message":"Failed to deserialize the JSON body into the target type: request: invalid type: null, expected struct AdmissionRequest at line 1 column 15","status":422}"#]]).await;
    check(&server, "/validate_raw/strict", "{}", expect![[r#"422 {"message":"Failed to deserialize the JSON body into the target type: missing field `request` at line 1 column 2","status":422}"#]]).await;
    check(
        &server,
        "/validate/strict",
        &" ".repeat(2001),
        expect![[r#"413 {"message":"the body has more than 2000 bytes (--max-body-bytes)","status":413}"#]],
    )
    .await;
    let url = format!("http://127.0.0.1:{}/validate/strict", server.reviews);
    let answer = Client::new().post(url).body(REVIEW).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    expect![[r#"{"message":"Expected request with `Content-Type: application/json`","status":415}"#]]
        .assert_eq(&answer.text().await.unwrap());
}

#[tokio::test]
async fn an_endless_policy_is_answered_for_and_keeps_nobody_waiting_longer_than_its_time() {
    let workspace = workspace();
    let policies = format!("{POLICIES}endless: {{module: 'file://endless.wasm', timeoutEvalSeconds: 1}}\n");
    let server = Server::ready(&workspace, &policies, &["--workers=1"]);
    // More than workers: those that wait in the queue are answered at their own end too.
    let many = (0..4).map(|_| server.post("/validate/endless", REVIEW));
    for (status, text) in futures::future::join_all(many).await {
        assert_eq!(status, StatusCode::OK);
        assert!(
            text.contains("exceeded the allowed execution time") && text.contains("\"code\":500"),
            "{text}"
        );
    }
    let (_, text) = server.post("/validate/adding", REVIEW).await;
    assert!(text.contains(r#""allowed":true"#), "{text}");
}

#[tokio::test]
async fn told_to_end_it_is_no_longer_ready_and_finishes_what_it_began() {
    let workspace = workspace();
    let policies = format!("{POLICIES}endless: {{module: 'file://endless.wasm', timeoutEvalSeconds: 3}}\n");
    let mut server = Server::ready(&workspace, &policies, &["--drain-delay=1"]);
    assert_eq!(server.get("/readiness").await, (StatusCode::OK, "ok".to_owned()));
    let told = async {
        // Once the review is being worked on.
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.signal();
        server.told("told to end: no longer ready, still answering");
        assert_eq!(
            server.get("/readiness").await,
            (StatusCode::SERVICE_UNAVAILABLE, "it is ending".to_owned())
        );
        let (status, _) = server.post("/validate/adding", REVIEW).await;
        assert_eq!(status, StatusCode::OK, "it still answers");
    };
    let ((status, text), ()) = tokio::join!(server.post("/validate/endless", REVIEW), told);
    assert!(status.is_success() && text.contains("exceeded the allowed execution time"), "{text}");
    assert!(server.child.wait().unwrap().success());
}

#[tokio::test]
async fn while_it_ends_each_answer_is_the_last_of_its_connection() {
    let workspace = workspace();
    let server = Server::ready(&workspace, POLICIES, &["--drain-delay=5"]);
    let client = Client::new();
    let url = format!("http://127.0.0.1:{}/validate/adding", server.reviews);
    let connection = async || {
        let request = client.post(&url).header("content-type", "application/json").body(REVIEW);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.headers().get("connection").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(connection().await, None);
    server.signal();
    server.told("told to end: no longer ready, still answering");
    assert_eq!(connection().await.as_deref(), Some("close"), "on the connection of before");
    assert_eq!(connection().await.as_deref(), Some("close"), "and on a new one");
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_failed_request() {
    let workspace = workspace();
    let made = || {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    };
    let (old, new) = (made(), made());
    workspace.file("tls.crt", &old.0).file("tls.key", &old.1);
    let server = Server::ready(&workspace, POLICIES, &["--cert-file=tls.crt", "--key-file=tls.key"]);
    let trusting = |pems: &[&str]| {
        let certificates = pems.iter().map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
        // A connection each, so that each sees the certificate of its moment.
        Client::builder().tls_certs_only(certificates).pool_max_idle_per_host(0).build().unwrap()
    };
    let url = format!("https://localhost:{}/validate/adding", server.reviews);
    let ask = async |client: &Client| {
        let request = client.post(&url).header("content-type", "application/json").body(REVIEW);
        request.send().await.map(|answer| answer.status())
    };
    let (both, only_new) = (trusting(&[&old.0, &new.0]), trusting(&[&new.0]));
    assert_eq!(ask(&both).await.unwrap(), StatusCode::OK);
    assert!(ask(&only_new).await.is_err(), "the old one is served");
    // As a half-written pair would be: it is not served.
    workspace.file("tls.crt", &new.0);
    server.told("cannot serve the new certificate; the one before is served on");
    assert_eq!(ask(&both).await.unwrap(), StatusCode::OK);
    workspace.file("tls.key", &new.1);
    let start = Instant::now();
    while ask(&only_new).await.is_err() {
        assert_eq!(ask(&both).await.unwrap(), StatusCode::OK);
        assert!(start.elapsed() < PATIENCE, "the new certificate is not served");
    }
    assert_eq!(ask(&both).await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn callers_need_a_certificate_of_an_authority_that_is_named_and_no_longer_of_one_that_was() {
    let workspace = workspace();
    let authority = |name: &str| {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertifiedIssuer::self_signed(parameters, key).unwrap()
    };
    let (own, first, second, other) = (
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap(),
        authority("a"),
        authority("b"),
        authority("c"),
    );
    let pem = own.cert.pem();
    workspace.file("tls.crt", &pem).file("tls.key", own.signing_key.serialize_pem());
    workspace.file("a.crt", first.pem()).file("b.crt", second.pem());
    let arguments = ["--cert-file=tls.crt", "--key-file=tls.key", "--client-ca-file=a.crt,b.crt"];
    let server = Server::ready(&workspace, POLICIES, &arguments);
    let client = |issuer: Option<&rcgen::CertifiedIssuer<'_, rcgen::KeyPair>>| {
        let trusted = [Certificate::from_pem(pem.as_bytes()).unwrap()];
        let mut builder = Client::builder().tls_certs_only(trusted).pool_max_idle_per_host(0);
        if let Some(issuer) = issuer {
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(["api-server".to_owned()]).unwrap();
            let certificate = parameters.signed_by(&key, issuer).unwrap();
            let identity = [certificate.pem(), key.serialize_pem()].concat();
            builder = builder.identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    };
    let url = format!("https://localhost:{}/validate/adding", server.reviews);
    let is_let_in = async |client: &Client| {
        let request = client.post(&url).header("content-type", "application/json").body(REVIEW);
        request.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    };
    let (of_first, of_second, of_other) = (client(Some(&first)), client(Some(&second)), client(Some(&other)));
    assert!(is_let_in(&of_first).await && is_let_in(&of_second).await);
    assert!(!is_let_in(&of_other).await && !is_let_in(&client(None)).await);
    // What is no certificate changes nothing.
    workspace.file("a.crt", "half a");
    server.told("cannot read the clients' authorities; those before count on: cannot use a.crt as the authority of clients: there is no certificate in it");
    assert!(is_let_in(&of_first).await);
    workspace.file("a.crt", other.pem());
    server.told("clients of other authorities are let in from now on");
    assert!(is_let_in(&of_other).await && is_let_in(&of_second).await);
    assert!(!is_let_in(&of_first).await, "not by a session of before either");
}

#[tokio::test]
async fn an_update_of_two_megabytes_has_the_memory_that_a_policy_by_the_sdk_takes_for_it() {
    let workspace = workspace();
    let server = Server::ready(&workspace, POLICIES, &["--policy-timeout=60"]);
    let rule =
        |number: usize| format!(r#"{{"host":"h{number}.example.com","port":{number},"paths":["/a","/b"]}}"#);
    let rules: Vec<String> = (0..32_000).map(rule).collect();
    let object = format!(r#"{{"metadata":{{"name":"p"}},"spec":{{"rules":[{}]}}}}"#, rules.join(","));
    assert!(object.len() > 1_900_000);
    let (before, _) = REVIEW.split_once(r#","object""#).unwrap();
    let update =
        format!(r#"{before},"object":{object},"oldObject":{object}}}}}"#).replace("CREATE", "UPDATE");
    let (status, text) = server.post("/validate/adding", update).await;
    assert!(status.is_success() && text.contains(r#""allowed":true"#), "{text:.500}");
}

#[test]
fn settings_that_take_much_of_the_memory_are_warned_of() {
    let workspace = workspace();
    let grows = r#"(func (export "wapc_init") (drop (memory.grow (i32.const 64))))"#;
    add_policy(&workspace, "large", &guest_with(grows, ""));
    let policies = "large: {module: 'file://large.wasm'}\n";
    let server = Server::start(&workspace, policies, &["--memory-limit-mib=6"]);
    server.told("its settings take 5 of the 6 MiB that each review may use");
    server.told("serving");
}

#[tokio::test]
async fn told_to_continue_it_serves_without_the_policies_that_cannot_be_prepared() {
    let workspace = workspace();
    let policies = format!(
        "{POLICIES}refused: {{module: 'file://label.wasm', settings: {{}}}}\naway: {{module: 'file://away.wasm', policyMode: monitor}}\n"
    );
    let server = Server::ready(&workspace, &policies, &["--continue-on-errors"]);
    let (_, text) = server.post("/validate/adding", REVIEW).await;
    assert!(text.contains(r#""allowed":true"#), "{text}");
    check(&server, "/validate/refused", REVIEW, expect![[r#"200 {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"cannot serve policy refused (file://label.wasm): settings: label: it must name a label","code":500},"auditAnnotations":null,"warnings":null}}"#]]).await;
    // It only watches.
    let (_, text) = server.post("/validate/away", REVIEW).await;
    assert!(text.contains(r#""allowed":true"#), "{text}");
    let deferring =
        Server::ready(&workspace, &policies, &["--continue-on-errors", "--on-host-failure=defer"]);
    let (status, _) = deferring.post("/validate/refused", REVIEW).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn options_that_are_not_honoured_are_an_error_at_the_start() {
    let workspace = workspace();
    workspace.file("policies.yml", POLICIES);
    let mut command =
        workspace.command(&["serve", "--addr=127.0.0.1", "--port=0", "--readiness-probe-port=0"]);
    command.env("KUBEWARDEN_VERIFICATION_CONFIG_PATH", "/verification.yml");
    expect![[r#"
        error: KUBEWARDEN_VERIFICATION_CONFIG_PATH is set, and cannot be honoured: signatures are not verified here: verify the module with cosign or kwctl first, and name it by its digest
    "#]].assert_eq(&Ran::of(command).failed());
    let mut command = workspace.command(&["serve"]);
    command.env("KUBEWARDEN_CLIENT_CA_FILE", "/ca.crt").env("KUBEWARDEN_BIND_ADDRESS", "127.0.0.1");
    expect![[r#"
        error: --client-ca-file asks callers for certificates, which plain HTTP has not: give --cert-file and --key-file, or --cert-secret
    "#]].assert_eq(&Ran::of(command).failed());
    let ran = workspace.harness(&["serve", "--daemon"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.starts_with("--daemon cannot be honoured: it stays in the foreground"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_cannot_be_served_is_told_before_anything_is() {
    let workspace = workspace();
    let serve = |policies: &str, arguments: &[&str]| {
        workspace.file("policies.yml", policies);
        let fixed = ["serve", "--port=0", "--readiness-probe-port=0", "--log-level=error"];
        workspace.harness(&[&fixed[..], arguments].concat()).failed()
    };
    let loopback = ["--addr=127.0.0.1"];
    expect![[r#"
        error: cannot serve policies.yml: a: missing field `module`
    "#]]
    .assert_eq(&serve("a: {}", &loopback));
    expect![[r#"
        error: cannot serve policy a (file://gone.wasm): cannot read gone.wasm: No such file or directory (os error 2)
    "#]].assert_eq(&serve("a: {module: 'file://gone.wasm'}", &loopback));
    expect![[r#"
        error: cannot serve policy a (file://raw-label.wasm): it has no metadata: annotate it (harness annotate)
    "#]]
    .assert_eq(&serve("a: {module: 'file://raw-label.wasm'}", &loopback));
    let refused = serve("a: {module: 'file://label.wasm', settings: {value: x}}", &loopback);
    assert!(refused.starts_with("error: cannot serve policy a (file://label.wasm): settings: "), "{refused}");
    expect![[r#"
        error: cannot serve plain HTTP on 0.0.0.0: give a certificate, or --addr 127.0.0.1
    "#]]
    .assert_eq(&serve(POLICIES, &[]));
    let asks = "a: {module: 'file://label.wasm', contextAwareResources: [{apiVersion: v1, kind: Namespace}]}";
    let refused = serve(asks, &loopback);
    assert!(
        refused.starts_with(
            "error: policy a reads Kubernetes objects: cannot find out how to reach the API server: "
        ),
        "{refused}"
    );
}
