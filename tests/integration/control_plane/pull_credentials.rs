//! Which credentials a kubelet shows for an image: Kubernetes' own packages against what is read here, over generated
//! configurations and names.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};
use support::Program;
use tcr::docker_config::keyring::credentials;
use tcr::docker_config::{DockerConfig, Login};
use tcr::image_name::{ImageName, InvalidImageName};
use tcr::sensitive::Sensitive;

use answer::Answer;

const CASES: usize = 100_000;

#[derive(Clone, Debug, Serialize)]
struct Question {
    image: String,
    secrets: Vec<Secret>,
}

#[derive(Clone, Debug, Serialize)]
struct Secret {
    name: &'static str,
    /// In base64.
    data: String,
    legacy: bool,
}

#[path = "../../../tcr/src/docker_config/tests/kubelet/answer.rs"]
mod answer;

#[test]
fn of_generated_configurations_the_credentials_are_tried_that_a_kubelet_tries() -> Result<()> {
    // Another seed by the variable; a failure names it.
    let seed = std::env::var("SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(20_261_130);
    let mut draw = Draw(seed);
    let questions: Vec<Question> = (0..CASES).map(|_| question(&mut draw)).collect();
    let answers = ask(&questions)?;
    let (mut matched, mut several, mut refused) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (asked, kubelet) in questions.iter().zip(&answers) {
        matched += usize::from(!kubelet.shown.is_empty());
        several += usize::from(kubelet.shown.len() > 1);
        refused += usize::from(kubelet.broken || !kubelet.invalid.is_empty());
        let expected = kubelet.expected();
        let found = here(asked)?;
        if found != expected {
            wrong.push(format!("{}\n    kubelet {expected:?}\n    here {found:?}", told(asked)));
        }
    }
    let some = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    ensure!(wrong.is_empty(), "seed {seed}: {} of {CASES} differ:\n{some}", wrong.len());
    // Otherwise the cases would prove little.
    let share = |count: usize| count * 100 / CASES;
    let shares =
        format!("{}% match, {}% several, {}% refused", share(matched), share(several), share(refused));
    ensure!(share(matched) >= 30 && share(several) >= 10 && (5..=50).contains(&share(refused)), "{shares}");
    Ok(())
}

#[test]
fn secrets_of_overlapping_tenants_are_shown_for_their_own_images_and_the_whole_hosts_after_them() -> Result<()>
{
    const HOST: &str = "demo.tencentcloudcr.com";
    let config = |name: &str, namespaces: &[&str]| -> Result<String> {
        let config = DockerConfig::new([HOST.parse()?], name, &Sensitive::new("p"));
        Ok(STANDARD.encode(config.for_namespaces(namespaces.iter().copied()).to_bytes().expose()))
    };
    let secret = |name, namespaces: &[&str]| -> Result<Secret> {
        Ok(Secret { name, data: config(name, namespaces)?, legacy: false })
    };
    let secrets = [
        secret("everything", &[]),
        secret("team", &["team", "base"]),
        secret("team2", &["team2", "base"]),
        secret("dotted", &["team.x_y-z"]),
    ]
    .into_iter()
    .collect::<Result<Vec<_>>>()?;
    let expected: [(&str, &[&str]); 6] = [
        ("team/app", &["team", "everything"]),
        ("team2/app:v1", &["team2", "everything"]),
        ("team.x_y-z/deep/app", &["dotted", "everything"]),
        ("base/app", &["team", "team2", "everything"]),
        ("tea/app", &["everything"]),
        ("teamwork/team/app", &["everything"]),
    ];
    let question = |image: &str| Question { image: format!("{HOST}/{image}"), secrets: secrets.clone() };
    let questions: Vec<Question> = expected.iter().map(|(image, _)| question(image)).collect();
    for ((image, expected), (asked, kubelet)) in expected.iter().zip(questions.iter().zip(ask(&questions)?)) {
        let shown: Vec<&str> = kubelet.shown.iter().map(|(secret, _, _)| secret.as_str()).collect();
        ensure!(shown == *expected, "{image}: {shown:?}");
        ensure!(here(asked)? == kubelet.expected(), "{image} is read otherwise here");
    }
    Ok(())
}

/// What Kubernetes' packages answer.
fn ask(questions: &[Question]) -> Result<Vec<Answer>> {
    let mut child = Command::new(Program::PullCredentials.path()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("a pipe")?;
    let lines =
        questions.iter().map(|it| Ok(serde_json::to_string(it)? + "\n")).collect::<Result<String>>()?;
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = BufReader::new(child.stdout.take().context("a pipe")?);
    let answers =
        output.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Answer>>>()?;
    ensure!(child.wait()?.success() && writing.join().is_ok_and(|it| it.is_ok()), "pull-credentials failed");
    ensure!(answers.len() == questions.len(), "{} answers to {}", answers.len(), questions.len());
    Ok(answers)
}

fn here(asked: &Question) -> Result<Answer> {
    let decoded = |it: &Secret| Ok((it.name, STANDARD.decode(&it.data)?, it.legacy));
    let mut secrets = asked.secrets.iter().map(decoded).collect::<Result<Vec<_>>>()?;
    // An empty one is passed over.
    secrets.retain(|(_, bytes, _)| !bytes.is_empty());
    Ok(Answer::here(&asked.image, secrets))
}

fn told(asked: &Question) -> String {
    let secrets = asked.secrets.iter().map(|it| {
        let bytes = STANDARD.decode(&it.data).unwrap_or_default();
        format!(
            "\n  {} {}{}",
            it.name,
            String::from_utf8_lossy(&bytes),
            if it.legacy { " (legacy)" } else { "" }
        )
    });
    format!("{:?}{}", asked.image, secrets.collect::<String>())
}

/// Numbers from a seed: splitmix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    fn of_hundred(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn mostly<T>(&mut self, right: T, wrong: T) -> T {
        if self.of_hundred(3) { wrong } else { right }
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const HOSTS: &[&str] = &[
    "demo.tencentcloudcr.com",
    "demo.tencentcloudcr.com",
    "demo-vpc.tencentcloudcr.com",
    "docker.io",
    "index.docker.io",
    "localhost",
    "localhost:5000",
    "my_registry.example.com",
    "Demo.TencentCloudCR.com",
    "demo.tencentcloudcr.com:443",
    "demo.tencentcloudcr.com:0443",
    "[2001:db8::1]:5000",
    "[2001:db8::1]",
    "10.0.0.1:5000",
    "a.b.example.com:5000",
    "registry",
];
const PATHS: &[&str] =
    &["app", "team/app", "team/app", "team/sub/app", "team/app_1", "te/am", "v2/app", "v1/team/app"];
const WRONG_PATHS: &[&str] = &["Team/app", "team//app", "team/-app", "", "team/äpp", "team/app/", "a__-b"];
const TAGS: &[&str] = &["", "", ":v1", ":V-1.2_3", "@sha256:", ":v1@sha256:", "@sha512:"];
const WRONG_TAGS: &[&str] = &[":", ":-bad", "@sha256:ab", "@md5:", "@SHA256:", ":v1:v2", "@", ":ä", " "];

fn question(draw: &mut Draw) -> Question {
    let host = *draw.one(HOSTS);
    let (paths, tags) = (draw.mostly(PATHS, WRONG_PATHS), draw.mostly(TAGS, WRONG_TAGS));
    let (path, tag) = (*draw.one(paths), *draw.one(tags));
    let digits = if tag.ends_with("512:") { 128 } else { 64 };
    let digest = if tag.ends_with("6:") || tag.ends_with("512:") || tag == "@md5:" { digits } else { 0 };
    let host_and_path = if draw.of_hundred(6) { path.to_owned() } else { format!("{host}/{path}") };
    let image = format!("{host_and_path}{tag}{}", "a1".repeat(digest / 2));
    let count = 1 + draw.below(3);
    let secrets = ["a", "b", "c"].iter().take(count).map(|name| secret(draw, name, host, path)).collect();
    Question { image, secrets }
}

fn secret(draw: &mut Draw, name: &'static str, host: &str, path: &str) -> Secret {
    let mut auths = serde_json::Map::new();
    let mut filed = BTreeSet::new();
    for _ in 0..draw.below(4) {
        let key = key(draw, host, path);
        // Of two keys that are one to it, a kubelet tries in no order.
        if filed.insert(filing(&key)) {
            auths.insert(key, entry(draw));
        }
    }
    let legacy = draw.of_hundred(10);
    let document = match draw.below(60) {
        0 => json!({"auths": null}),
        1 => json!({"auths": [1]}),
        2 => json!([auths]),
        3 => Value::Null,
        _ if legacy => Value::Object(auths),
        4..=7 => json!({"Auths": auths, "credsStore": "desktop"}),
        8..=10 => json!({"AUTHS": auths, "HttpHeaders": {"User-Agent": "x"}}),
        11 => json!({"auths": auths, "HttpHeaders": {"User-Agent": 1}}),
        _ => json!({"auths": auths}),
    };
    let mut text = document.to_string().into_bytes();
    match draw.below(150) {
        0 => text.truncate(text.len() / 2),
        1 => text.push(b'x'),
        2 => text.clear(),
        3 => text = [b" \n".as_slice(), &text, b"\t"].concat(),
        _ => {}
    }
    Secret { name, data: STANDARD.encode(text), legacy }
}

/// A key that is often for the image.
fn key(draw: &mut Draw, host: &str, path: &str) -> String {
    let host = if draw.of_hundred(30) { *draw.one(HOSTS) } else { host };
    let host = match draw.below(20) {
        0 => host.to_ascii_uppercase(),
        1 => host.split_once('.').map_or_else(|| host.to_owned(), |(_, rest)| format!("*.{rest}")),
        2 => host.replacen("demo", "de*", 1),
        3 => format!("user@{host}"),
        4 => format!("{host}:443"),
        5 => format!("user:p@{host}"),
        6 => host.replace('.', ".*"),
        _ => host.to_owned(),
    };
    let first = path.split('/').next().unwrap_or_default();
    let behind = match draw.below(16) {
        0 => "/".to_owned(),
        1 => "/v1/".to_owned(),
        2 => "/v2/".to_owned(),
        3 => format!("/{first}"),
        4 => format!("/{path}"),
        5 => format!("/v2/{first}"),
        6 => "/te".to_owned(),
        7 => "?x=1".to_owned(),
        8 => "/v1".to_owned(),
        9 => "#part".to_owned(),
        10 => format!("/{first}/"),
        _ => String::new(),
    };
    match draw.below(40) {
        0 => "%zz".to_owned(),
        1 => format!("ftp://{host}{behind}"),
        2 => String::new(),
        3 => format!("a {host}"),
        4..=11 => format!("https://{host}{behind}"),
        12..=14 => format!("http://{host}{behind}"),
        15 => format!("HTTPS://{host}{behind}"),
        _ => format!("{host}{behind}"),
    }
}

/// Equal for keys that may be one to a kubelet.
fn filing(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    let path = if path.starts_with("/v1/") || path.starts_with("/v2/") {
        path.get(3..).unwrap_or_default()
    } else {
        path
    };
    format!("{host}{}", if path == "/" { "" } else { path })
}

fn entry(draw: &mut Draw) -> Value {
    let user = *draw.one(&["user", "100012345678", "üser", ""]);
    let password = format!("{}{}", draw.one(&["p", "p:w", "", "\u{2028}"]), draw.below(1000));
    let pair = format!("{user}:{password}");
    let auth = STANDARD.encode(&pair);
    match draw.below(200) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!("text"),
        3 => json!({"auth": 1}),
        4 => json!({"auth": format!(" {auth}")}),
        5 => json!({"auth": STANDARD.encode(user)}),
        6 => json!({"auth": STANDARD.encode(b"u:\xff\xfe")}),
        7 => json!({"auth": "", "identitytoken": "t"}),
        8 => json!({"auth": null, "username": user, "password": null}),
        9 => json!({"password": ["p"]}),
        10..=25 => json!({"auth": STANDARD_NO_PAD.encode(&pair)}),
        26..=40 => {
            let (front, back) = auth.split_at(auth.len() / 2);
            json!({"auth": format!("{front}\r\n{back}\n")})
        }
        41..=80 => json!({"username": user, "password": password, "email": "a@b.c"}),
        81..=95 => json!({"Username": user, "PASSWORD": password}),
        96..=120 => json!({"username": "other", "password": "other", "auth": auth, "registrytoken": "t"}),
        _ => json!({"auth": auth}),
    }
}
