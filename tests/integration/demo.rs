//! `./justw demo` as a person sees it, and what it must never show.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use expect_test::expect;
use integration::{program, root};
use tcr_cloud::{Cloud, Config};

fn demo() -> Output {
    Command::new(root().join("tests/demo"))
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .expect("tests/demo starts")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether a token stands in the text, as it is or inside base64. Every token is a JWT, so it
/// begins with the base64 of `{"`.
fn shows_a_token(text: &str) -> bool {
    const JWT: &str = "eyJ";
    let base64_runs = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/');
    let decoded = base64_runs.filter(|run| run.len() >= 24).filter_map(|run| {
        let whole = &run[..run.len() - run.len() % 4];
        STANDARD_NO_PAD.decode(whole).ok()
    });
    text.contains(JWT) || decoded.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains(JWT))
}

/// The value of one line of `tcr-cloud env`.
fn environment(variable: &str) -> String {
    let output = program("tcr-cloud").arg("env").output().expect("tcr-cloud starts");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let value =
        lines.lines().find_map(|line| line.split_once(&format!("{variable}="))).map(|(_, value)| value);
    value.expect("tcr-cloud env names it").trim_matches(['"', '\'']).to_owned()
}

#[test]
fn a_build_in_a_pipe_says_how_far_it_is_and_at_the_end_what_went_wrong() {
    // It goes on when somebody was told how far it is, and after a minute in any case.
    const CARGO: &str = r"
        printf '   Compiling syn v2.0.0\n    Building [==>   ] 212/459: syn, serde\r' >&2
        for _ in $(seq 600); do [ ! -e $SEEN ] || break; sleep 0.1; done
        printf '\033[K    Building [===>  ] 213/459: serde\r\033[Kerror: no such field\n' >&2
        exit 101";
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen");
    let mut build = Command::new(root().join("tests/cargo-progress"))
        .args(["sh", "-c", CARGO])
        .env("PROGRESS_SECONDS", "1")
        .env("SEEN", &seen)
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/cargo-progress starts");
    let is_told = |line: &str| line.starts_with("build: ") && line.ends_with(" s, 212/459: syn, serde");
    let mut lines = Vec::new();
    for line in BufReader::new(build.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        if is_told(&line) {
            std::fs::write(&seen, "").expect("a file");
        }
        lines.push(line);
    }
    assert_eq!(build.wait().expect("it ends").code(), Some(101));
    assert!(lines.iter().any(|line| is_told(line)), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("error: no such field"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("Compiling")), "{lines:?}");
}

#[test]
fn demo_says_for_each_object_what_happened_and_counts_them() {
    let output = demo();
    assert!(output.status.success(), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    // The verdict and the object; the reasons have tests of their own where they are made.
    let verdicts: Vec<&str> = stdout
        .lines()
        .filter(|line| ["admitted ", "patched ", "refused "].iter().any(|verdict| line.starts_with(verdict)))
        .filter_map(|line| line.split_once(": ").map(|(verdict, _)| verdict))
        .collect();
    expect![[r#"
        patched   Pod shop/tcr-image
        admitted  Pod shop/public-image
        patched   Pod shop/mixed
        patched   Pod shop/own-pull-secret
        patched   Pod shop/image-volume
        admitted  Pod shop/opted-out
        admitted  Deployment shop/declared
        admitted  CronJob shop/nightly
        admitted  ImagePullSecret team
        admitted  ImagePullSecret imagepullsecret-sample
        admitted  ImagePullSecret by-reference
        refused   ImagePullSecret both-kinds
        refused   ImagePullSecret look-alike
        refused   ImagePullSecret not-a-host
        refused   ImagePullSecret bad-list
        refused   ImagePullSecret misspelled"#]]
    .assert_eq(&verdicts.join("\n"));
    let last = stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("7 admitted, 4 patched, ") && last.ends_with(" warned, 5 refused"), "{last}");
}

#[test]
fn demo_never_shows_the_token_or_the_secret_key() {
    let key = environment("TENCENTCLOUD_SECRET_KEY");
    assert!(key.len() >= 16, "the key is worth looking for");

    let text = text(&demo());
    assert!(text.contains("tcr.ipsdemo"), "the Secret is shown:\n{text}");
    assert!(!shows_a_token(&text), "a token is shown:\n{text}");
    assert!(!text.contains(&key), "the secret key is shown:\n{text}");
}

#[test]
fn a_token_would_be_found_if_it_were_shown() {
    let cloud = Cloud::start(Config::demo()).expect("the cloud's double starts");
    let output = program("tcr-assistant")
        .args(["render", "--cluster-id", "cls-12345678", "-f", "artifacts/samples/demo.yaml", "--endpoint"])
        .arg(cloud.url())
        .env("TENCENTCLOUD_SECRET_ID", environment("TENCENTCLOUD_SECRET_ID"))
        .env("TENCENTCLOUD_SECRET_KEY", environment("TENCENTCLOUD_SECRET_KEY"))
        .output()
        .expect("tcr-assistant starts");
    assert!(output.status.success(), "{}", text(&output));
    assert!(shows_a_token(&text(&output)), "an unmasked Secret holds a token that the search finds");
}
