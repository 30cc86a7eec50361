//! The options of policy-server and kwctl 1.36, and what becomes of each here. None is left out of account in silence:
//! what is not honoured is an error at the start.

use std::fmt::Write as _;

use anyhow::bail;

#[cfg(test)]
mod tests;

/// An option, and what becomes of it.
#[derive(Debug)]
struct Known {
    flag: &'static str,
    /// The variable in the environment that means the same.
    variable: Option<&'static str>,
    here: Here,
}

#[derive(Debug)]
enum Here {
    Same,
    /// It is understood, and this is not as there.
    Different(&'static str),
    /// It is an error, because of this.
    Refused(&'static str),
}

use Here::{Different, Refused, Same};

const UNSIGNED: &str = "signatures are not verified here: verify the module with cosign or kwctl first, and name it by its digest";
const MODES: &str = "kubewarden and wasi; what is written in Rego (opa, gatekeeper), and ferricel are an error that names kwctl";
const NO_DAEMON: &str =
    "it stays in the foreground: whoever starts it (systemd, a container) keeps it running";

const fn option(flag: &'static str, variable: &'static str, here: Here) -> Known {
    Known { flag, variable: Some(variable), here }
}

const fn flag(flag: &'static str, here: Here) -> Known {
    Known { flag, variable: None, here }
}

/// policy-server's, which are `harness serve`'s.
const POLICY_SERVER: &[Known] = &[
    option("--addr", "KUBEWARDEN_BIND_ADDRESS", Same),
    option(
        "--always-accept-admission-reviews-on-namespace",
        "KUBEWARDEN_ALWAYS_ACCEPT_ADMISSION_REVIEWS_ON_NAMESPACE",
        Same,
    ),
    option(
        "--cert-file",
        "KUBEWARDEN_CERT_FILE",
        Different("may hold the certificates that lead to the CA too"),
    ),
    option("--client-ca-file", "KUBEWARDEN_CLIENT_CA_FILE", Same),
    option(
        "--continue-on-errors",
        "KUBEWARDEN_CONTINUE_ON_ERRORS",
        Different(
            "what a review of such a policy gets is up to `--on-host-failure`; in monitor mode it admits",
        ),
    ),
    option("--daemon", "KUBEWARDEN_DAEMON", Refused(NO_DAEMON)),
    option("--daemon-pid-file", "KUBEWARDEN_DAEMON_PID_FILE", Refused(NO_DAEMON)),
    option("--daemon-stderr-file", "KUBEWARDEN_DAEMON_STDERR_FILE", Refused(NO_DAEMON)),
    option("--daemon-stdout-file", "KUBEWARDEN_DAEMON_STDOUT_FILE", Refused(NO_DAEMON)),
    option(
        "--disable-timeout-protection",
        "KUBEWARDEN_DISABLE_TIMEOUT_PROTECTION",
        Refused("every review has an end; --policy-timeout sets a late one"),
    ),
    option(
        "--docker-config-json-path",
        "KUBEWARDEN_DOCKER_CONFIG_JSON_PATH",
        Different("may be the file itself too"),
    ),
    option(
        "--enable-metrics",
        "KUBEWARDEN_ENABLE_METRICS",
        Refused(
            "metrics are there without it, for Prometheus at /metrics of the readiness port; none are pushed by OTLP",
        ),
    ),
    option("--enable-pprof", "KUBEWARDEN_ENABLE_PPROF", Refused("there is no profiler inside")),
    option("--ignore-kubernetes-connection-failure", "KUBEWARDEN_IGNORE_KUBERNETES_CONNECTION_FAILURE", Same),
    option("--key-file", "KUBEWARDEN_KEY_FILE", Same),
    option("--log-fmt", "KUBEWARDEN_LOG_FMT", Different("text or json; otlp is an error")),
    option("--log-level", "KUBEWARDEN_LOG_LEVEL", Same),
    option("--log-no-color", "NO_COLOR", Same),
    option("--policies", "KUBEWARDEN_POLICIES", Same),
    option(
        "--policies-download-dir",
        "KUBEWARDEN_POLICIES_DOWNLOAD_DIR",
        Different(
            "modules are read into memory; compiled ones are kept in it where there is no folder of the user's",
        ),
    ),
    option(
        "--policy-timeout",
        "KUBEWARDEN_POLICY_TIMEOUT",
        Different("counted from the review's arrival; 1 to 300"),
    ),
    option("--port", "KUBEWARDEN_PORT", Same),
    option(
        "--readiness-probe-port",
        "KUBEWARDEN_READINESS_PROBE_PORT",
        Different("answers 503 until policies and certificate are there, and has /metrics"),
    ),
    option(
        "--sigstore-cache-dir",
        "KUBEWARDEN_SIGSTORE_CACHE_DIR",
        Different("understood, and unused: nothing of sigstore is fetched"),
    ),
    option("--sigstore-trust-config", "KUBEWARDEN_SIGSTORE_TRUST_CONFIG", Refused(UNSIGNED)),
    // The name by which Kubewarden's controller sets it.
    option("--sigstore-trust-config", "KUBEWARDEN_SIGSTORE_TRUST_CONFIG_PATH", Refused(UNSIGNED)),
    option("--sources-path", "KUBEWARDEN_SOURCES_PATH", Same),
    option("--verification-path", "KUBEWARDEN_VERIFICATION_CONFIG_PATH", Refused(UNSIGNED)),
    option(
        "--workers",
        "KUBEWARDEN_WORKERS",
        Different("reviews that take long go on beside those of the workers"),
    ),
];

/// kwctl's, by its commands.
const KWCTL: &[(&str, &[Known])] = &[
    (
        "run",
        &[
            flag("--allow-context-aware", Different("`--objects` gives a cluster without one")),
            flag("--allowed-host-capabilities", Same),
            flag("--cert-email", Refused(UNSIGNED)),
            flag("--cert-oidc-issuer", Refused(UNSIGNED)),
            flag("--disable-wasmtime-cache", Same),
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--execution-mode", Different(MODES)),
            flag("--github-owner", Refused(UNSIGNED)),
            flag("--github-repo", Refused(UNSIGNED)),
            flag("--raw", Same),
            flag("--record-host-capabilities-interactions", Same),
            flag("--replay-host-capabilities-interactions", Same),
            flag("--request-path", Different("takes manifests too, and may be given several times")),
            flag("--settings-json", Same),
            flag("--settings-path", Same),
            flag("--sigstore-trust-config", Refused(UNSIGNED)),
            flag("--sources-path", Same),
            flag("--verification-annotation", Refused(UNSIGNED)),
            flag("--verification-config-path", Refused(UNSIGNED)),
            flag("--verification-key", Refused(UNSIGNED)),
        ],
    ),
    (
        "bench",
        &[
            flag("--allow-context-aware", Different("`--objects` gives a cluster without one")),
            flag("--allowed-host-capabilities", Same),
            flag("--cert-email", Refused(UNSIGNED)),
            flag("--cert-oidc-issuer", Refused(UNSIGNED)),
            flag("--disable-wasmtime-cache", Same),
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--dump-results-to-disk", Refused("-o json prints the figures: keep and compare those")),
            flag("--execution-mode", Different(MODES)),
            flag("--github-owner", Refused(UNSIGNED)),
            flag("--github-repo", Refused(UNSIGNED)),
            flag("--measurement-time", Same),
            flag(
                "--num-resamples",
                Different("understood, and unused: the distribution is that of the samples"),
            ),
            flag("--num-samples", Same),
            flag("--raw", Same),
            flag("--record-host-capabilities-interactions", Same),
            flag("--replay-host-capabilities-interactions", Same),
            flag("--request-path", Different("takes a manifest too")),
            flag("--settings-json", Same),
            flag("--settings-path", Same),
            flag("--sigstore-trust-config", Refused(UNSIGNED)),
            flag("--sources-path", Same),
            flag("--verification-annotation", Refused(UNSIGNED)),
            flag("--verification-config-path", Refused(UNSIGNED)),
            flag("--verification-key", Refused(UNSIGNED)),
            flag("--warm-up-time", Same),
        ],
    ),
    (
        "pull",
        &[
            flag("--cert-email", Refused(UNSIGNED)),
            flag("--cert-oidc-issuer", Refused(UNSIGNED)),
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--github-owner", Refused(UNSIGNED)),
            flag("--github-repo", Refused(UNSIGNED)),
            flag("--output-path", Same),
            flag("--sigstore-trust-config", Refused(UNSIGNED)),
            flag("--sources-path", Same),
            flag("--verification-annotation", Refused(UNSIGNED)),
            flag("--verification-config-path", Refused(UNSIGNED)),
            flag("--verification-key", Refused(UNSIGNED)),
        ],
    ),
    (
        "push",
        &[
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--force", Same),
            flag("--output", Different("text is the reference alone")),
            flag("--sources-path", Same),
        ],
    ),
    (
        "inspect",
        &[
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--output", Different("json too, with imports, exports, digest and size")),
            flag("--show-signatures", Same),
            flag("--sources-path", Same),
        ],
    ),
    ("annotate", &[flag("--metadata-path", Same), flag("--output-path", Same), flag("--usage-path", Same)]),
    (
        "digest",
        &[
            flag("--docker-config-json-path", Different("may be the file itself too")),
            flag("--sources-path", Same),
        ],
    ),
    ("save", &[flag("--output", Same)]),
    ("load", &[flag("--input", Same)]),
    ("completions", &[flag("--shell", Same)]),
    ("docs", &[flag("--output", Different("Markdown only"))]),
    (
        "scaffold admission-request",
        &[
            flag("--object", Same),
            flag("--old-object", Same),
            flag("--operation", Different("UPDATE and DELETE too")),
        ],
    ),
    (
        "scaffold artifacthub",
        &[
            flag("--metadata-path", Same),
            flag("--output", Same),
            flag("--questions-path", Same),
            flag("--version", Same),
        ],
    ),
    (
        "scaffold manifest",
        &[
            flag("--allow-context-aware", Same),
            flag("--settings-json", Same),
            flag("--settings-path", Same),
            flag("--title", Same),
            flag("--type", Same),
        ],
    ),
    (
        "scaffold vap",
        &[
            flag("--binding", Same),
            flag("--cel-policy", Same),
            flag(
                "--compile-to-wasm",
                Refused(
                    "CEL is not compiled to wasm here; without it the policy is Kubewarden's CEL policy with these settings",
                ),
            ),
            flag("--force", Refused("it belongs to --compile-to-wasm")),
            flag("--policy", Same),
        ],
    ),
];

/// Looks for variables of policy-server's that are set and would not be honoured.
///
/// # Errors
/// The first of them, and why not.
pub(super) fn refuse_variables(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    for known in POLICY_SERVER {
        let (Refused(why), Some(name)) = (&known.here, known.variable) else { continue };
        // Of a switch, that it is off.
        let is_off = |value: &String| matches!(value.as_str(), "" | "0" | "false" | "no" | "off" | "n" | "f");
        if variable(name).is_some_and(|value| !is_off(&value)) {
            bail!("{name} is set, and cannot be honoured: {why}");
        }
    }
    Ok(())
}

/// Why a flag of policy-server's or kwctl's is none of this command's.
pub(super) fn reason(command: &str, flag: &str) -> Option<&'static str> {
    let flags = match command {
        "serve" => POLICY_SERVER,
        command => KWCTL.iter().find(|(name, _)| *name == command)?.1,
    };
    flags.iter().find(|known| known.flag == flag).and_then(|known| match known.here {
        Refused(why) => Some(why),
        Same | Different(_) => None,
    })
}

/// All of them, for the documentation.
pub(super) fn table() -> String {
    let mut text = String::from(
        "# Options of policy-server and kwctl\n\nWhat becomes of each option of policy-server and kwctl 1.36 here. One that is not honoured is an error when the \
         program starts, be it given as a flag or as a variable in the environment.\n",
    );
    let mut section = |title: &str, options: &[Known]| {
        let _ = write!(text, "\n## {title}\n\n| flag | variable | here |\n| --- | --- | --- |\n");
        for Known { flag, variable, here } in options {
            let variable = variable.map(|name| format!("`{name}`")).unwrap_or_default();
            let here = match here {
                Same => "same".to_owned(),
                Different(how) => format!("different: {how}"),
                Refused(why) => format!("refused: {why}"),
            };
            let _ = writeln!(text, "| `{flag}` | {variable} | {here} |");
        }
    };
    section("`policy-server`: `harness serve`", POLICY_SERVER);
    for (command, options) in KWCTL {
        section(&format!("`kwctl {command}`: `harness {command}`"), options);
    }
    text
}
