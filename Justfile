# The front door. `./justw` lists what there is; `./justw demo` and `./justw test` are the two to know.

cache := env("XDG_CACHE_HOME", home_directory() / ".cache") / "tcr-assistant"

# Intermediate files live outside the checkout, so that a second clone compiles no dependency again.
export CARGO_BUILD_BUILD_DIR := shell('tests/build-dir "$1"', cache)

_list:
    @just --list --unsorted

# The main job on artifacts/samples, without a cluster: a credential, a Secret, and the policy's answers
demo:
    @tests/demo

# Everything that can be tested here; ends with "N passed, N failed, N skipped"
test *LEVELS:
    @tests/run {{ LEVELS }}

# What CI runs: `check`, then every level of test, all of them required
ci: check
    @CI=true tests/run

## Parts

# Build and annotate target/policy.wasm
policy: (_build "harness")
    @policy/build-wasm policy wasm32-unknown-unknown target/policy-raw.wasm
    @target/debug/harness annotate target/policy-raw.wasm -m policy/metadata.yml -o target/policy.wasm

# Put the policy's cases (policy/cases, or the given files) to the built policy
cases *ARGS: policy
    @target/debug/harness test target/policy.wasm {{ if ARGS == "" { "policy/cases" } else { ARGS } }}

# Look for bytes that the policy's entry (`fuzz`, `fuzz 600`), the hosts file's merge (`fuzz 600 merge`), a guest's host calls (`fuzz 600 host_calls`), a review's body (`fuzz 600 review_body`) or a guest's answer (`fuzz 600 guest_answer`) do not stand
fuzz SECONDS="60" TARGET="validate":
    @tests/fuzz/run {{ SECONDS }} {{ TARGET }}

# Build the second, independent policy that the harness's tests run
sdk-policy:
    @policy/build-wasm harness/tests/sdk-policy wasm32-wasip1 target/sdk-policy.wasm

# Build the images that the chart installs, into target/images (buildah or docker; static programs on nothing)
images: policy
    @artifacts/images/build

# Write what the code and the chart print: the CRD, the rendered manifests and the pages of docs/ that are lists
generate: (_build "tcr-assistant reference")
    @mkdir -p artifacts/crd
    @target/debug/tcr-assistant crd > target/crd.yaml && mv target/crd.yaml artifacts/crd/imagepullsecrets.yaml
    @target/debug/tcr-assistant pull-errors > target/pull-errors.md && mv target/pull-errors.md docs/pull-errors.md
    @target/debug/reference > target/reference.md && mv target/reference.md docs/reference.md
    @for file in docs/pull-failures.md policy/README.md artifacts/chart/values.schema.json artifacts/web/src/settings.ts; do target/debug/reference $file > target/generated && mv target/generated $file; done
    @artifacts/render

# The page that configures the add-on and tries the policy, on this machine: `web` (a port may follow)
web *PORT:
    @artifacts/web/serve {{ PORT }}

## Clusters

# A real control plane for a developer: `cluster up`, `cluster down`, `cluster env`, `cluster status`
cluster COMMAND *ARGS: (_build "cluster")
    @target/debug/cluster {{ COMMAND }} {{ ARGS }}

# Install `kubectl tcr` for yourself, with what completes it, into FOLDER, which is to be on PATH
install-kubectl-tcr FOLDER=(home_directory() / ".local/bin"):
    @artifacts/install-kubectl-tcr {{ FOLDER }}

## Releases

# Publish a release of this commit: `release --to REGISTRY [--sign KEY] [--platform linux/amd64]`, or `release --help`
[no-exit-message]
release *ARGS:
    @artifacts/release/release {{ ARGS }}

# Compare what a registry has of a release with what was released: `verify-release REGISTRY/release:vVERSION --key cosign.pub`
[no-exit-message]
verify-release *ARGS:
    @artifacts/release/verify {{ ARGS }}

## Checks

# Format, lints, licences and sources, generated files, a test for each claim of docs/security.md and fact of docs/tencent-api.md, pages in two languages
check: _fmt _clippy _deny _page (_build "tcr-assistant reference")
    @tests/check-generated
    @tests/check-claims docs/security.md
    @tests/check-claims docs/tencent-api.md
    @tests/check-translations
    @artifacts/release/version >/dev/null

# Known vulnerabilities of the dependencies, Rust's and the page's (needs the network's databases; the scheduled workflow runs it)
advisories:
    @tests/deny advisories
    @npm --prefix artifacts/web audit --audit-level=moderate

_fmt:
    @cargo fmt --all --check

_clippy:
    @cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
    @cargo clippy --locked --quiet --workspace --test control_plane -- -D warnings

_deny:
    @tests/deny

# The face for browsers is no default feature; the page's types and its dependencies' licences.
_page:
    @cargo clippy --locked --quiet -p policy --features web --all-targets -- -D warnings
    @artifacts/web/check

_build +PROGRAMS:
    @tests/build {{ PROGRAMS }}

# Tell a story on real Kubernetes, step by step with times: `e2e control-plane`, `e2e alerts`, `e2e cert-manager`, `e2e gitops`, `e2e release`; as root `e2e hostile` (--short), and `e2e flagship`, `e2e private-network`, `e2e networks`, `e2e tenants`, `e2e broken` and `e2e upgrade` on real nodes; or test the page in Chromium: `e2e web`
e2e STORY *ARGS: policy (_build "e2e" "tcr-assistant" "harness" "hosts-updater")
    @case {{ STORY }} in flagship | private-network | networks | tenants | broken | upgrade) tests/packages nodes && artifacts/images/build ;; alerts) tests/packages alerts ;; release) tests/packages release ;; hostile) artifacts/images/build --programs ;; esac
    @case {{ STORY }} in web) artifacts/web/e2e ;; release) tests/release {{ ARGS }} ;; upgrade) target/debug/e2e upgrade --from "$(tests/release-before)" {{ ARGS }} ;; *) target/debug/e2e {{ STORY }} {{ ARGS }} ;; esac

# A tour on a cluster with real nodes (root on Linux): `cluster-demo`, or `cluster-demo --keep` to look around afterwards
cluster-demo *ARGS: policy (_build "e2e")
    @tests/packages nodes && artifacts/images/build
    @target/debug/e2e tour {{ ARGS }}

# Run a benchmark: `bench policy`, `bench web`, `bench controller`, `bench people`, `bench simulate`, `bench memory`, `bench hosts`, `bench harness` and `bench serve` (as root), with --check (fail where a limit is missed) or --smoke (short, unoptimised: proves that it runs)
bench NAME *ARGS:
    @tests/bench/run {{ NAME }} {{ ARGS }}

# Try the controller's decisions in a simulated cluster, with faults at random: `simulate` (10000 histories), `simulate --seed 42` (one, step by step), `simulate --seed 42 --histories 1000`
simulate *ARGS:
    @tests/simulate {{ ARGS }}

# Harm at random until everything is right again, from a printed seed: `chaos --minutes N --seed S`
chaos *ARGS:
    @tests/chaos {{ ARGS }}

# Prove `demo` or `test` on a fresh machine: a new clone, an empty home, empty caches
fresh WHAT:
    @tests/fresh {{ WHAT }}
