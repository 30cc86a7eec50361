//! From what the policies file says to policies that answer.
//!
//! Modules are compiled as many at a time as there are processors, those first for whose policies most reviews wait, and
//! each once, however many policies are of it. A policy answers when it has taken its settings. Where its guest keeps them
//! (see [`Policy::prepared`]), a module with them inside is made beside the reviews, and takes the first one's place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};

use anyhow::{Context as _, anyhow, bail};

use super::modules::Modules;
use super::reviewer::Policies;
use super::served_policy::{ServedPolicy, Stage};
use crate::host_capabilities::HostCapabilities;
use crate::metadata::Metadata;
use crate::policies_file::{PolicyOrGroup, PolicySource, Served};
use crate::{Evaluator, Host, HostError, HostOptions, LoadError, Policy, PolicyGroup, Settings};

/// Prepares policies.
pub(super) struct Preparer {
    modules: Arc<dyn Modules>,
    host: Host,
    improvements: mpsc::Sender<Improvement>,
}

/// A policy that is to be prepared.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) served: Served,
    pub(super) policy: Arc<ServedPolicy>,
}

/// One that answers and could do so faster.
struct Improvement {
    id: String,
    what: PolicyOrGroup,
    /// Gone where another one serves in its place.
    served: Weak<ServedPolicy>,
    members: Members,
}

/// The policies of a group by their names; a policy that is in none has none.
type Members = BTreeMap<String, Member>;

/// A policy that has taken its settings, and its module.
struct Member {
    policy: Policy,
    settings: Settings,
    wasm: Arc<Vec<u8>>,
}

impl Preparer {
    /// `options` are for every policy's calls.
    ///
    /// # Errors
    /// The machine cannot run the engine.
    pub(super) fn new(options: HostOptions, modules: Arc<dyn Modules>) -> Result<Self, HostError> {
        let host = Host::new(options)?;
        let (improvements, jobs) = mpsc::channel();
        std::thread::Builder::new()
            .name("improver".to_owned())
            .spawn(move || improve_all(&jobs))
            .map_err(|error| HostError::of_thread(&error))?;
        Ok(Self { modules, host, improvements })
    }

    /// Prepares all of them, and gives what cannot be. Unless it is to `go_on`, the first such is the last that is tried.
    /// Modules of policies that answer `before` are compiled already.
    pub(super) fn prepare(
        &self,
        jobs: Vec<Job>,
        before: &Policies,
        capabilities: &Arc<dyn HostCapabilities>,
        go_on: bool,
    ) -> BTreeMap<String, anyhow::Error> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.min(jobs.len());
        let (queue, failures) = (Mutex::new(jobs), Mutex::new(BTreeMap::new()));
        let known = Known::of(before);
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let most_wanted = most_wanted(queue.iter().map(|job| job.policy.waiting()))?;
            Some(queue.remove(most_wanted))
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(job) = next() {
                        let Err(error) = self.prepare_one(&job, capabilities, &known) else { continue };
                        failures.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id, error);
                        if !go_on {
                            queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        }
                    }
                });
            }
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare_one(
        &self,
        job: &Job,
        capabilities: &Arc<dyn HostCapabilities>,
        known: &Known,
    ) -> anyhow::Result<()> {
        let Job { id, served, policy: place } = job;
        // The controller's name for its object is no mistake.
        let mut ignored = served.ignored.iter().filter(|field| *field != "namespacedName");
        if let Some(field) = ignored.next() {
            tracing::warn!(policy = id, field, "a field of the policies file means nothing");
        }
        let mut members = Members::new();
        for (name, source) in sources(&served.what) {
            let named = if name.is_empty() { id.clone() } else { format!("{id}/{name}") };
            let member = self
                .member(&named, source, capabilities, known)
                .with_context(|| format!("cannot serve policy {named} ({})", source.module))?;
            members.insert(name.to_owned(), member);
        }
        let modules: Vec<&str> = served.sources().iter().map(|source| source.module.as_str()).collect();
        place.answers_by(Stage::Ready, Ok(evaluator(id, &served.what, &members)));
        tracing::info!(policy = id, module = modules.join(" "), mode = served.mode.name(), "policy is ready");
        let (served, what) = (Arc::downgrade(place), served.what.clone());
        // Without the thread it answers as it is.
        if self.improvements.send(Improvement { id: id.clone(), what, served, members }).is_err() {
            tracing::warn!(policy = id, "nothing improves policies any more");
        }
        Ok(())
    }

    /// A policy that has taken its settings.
    fn member(
        &self,
        id: &str,
        source: &PolicySource,
        capabilities: &Arc<dyn HostCapabilities>,
        known: &Known,
    ) -> anyhow::Result<Member> {
        let wasm = known.module(&source.module, || self.modules.load(&source.module))?;
        let Some(metadata) = Metadata::of_module(&wasm)? else {
            bail!("it has no metadata: annotate it (harness annotate)");
        };
        metadata.check()?;
        let interface = metadata.interface().unwrap_or_default();
        let policy = known.policy(&wasm, || Policy::load_as(&self.host, &wasm, interface))?;
        let policy = policy.named(id).with_capabilities(source.grants.clone(), capabilities.clone());
        policy.validate_settings(&source.settings).context("settings")?;
        Ok(Member { policy, settings: source.settings.clone(), wasm })
    }
}

/// Its policies, with their names in the group.
fn sources(what: &PolicyOrGroup) -> Vec<(&str, &PolicySource)> {
    match what {
        PolicyOrGroup::Policy(source) => vec![("", source)],
        PolicyOrGroup::Group { policies, .. } => {
            policies.iter().map(|(name, source)| (name.as_str(), source)).collect()
        }
    }
}

/// The evaluator of all its policies.
fn evaluator(id: &str, what: &PolicyOrGroup, members: &Members) -> Evaluator {
    let with_settings = |member: &Member| (member.policy.clone(), member.settings.clone());
    match what {
        PolicyOrGroup::Policy(_) => {
            let (policy, settings) = with_settings(&members[""]);
            Evaluator::Policy(policy, settings)
        }
        PolicyOrGroup::Group { expression, message, .. } => {
            let policies = members.iter().map(|(name, member)| (name.clone(), with_settings(member)));
            Evaluator::Group(PolicyGroup {
                id: id.to_owned(),
                policies: policies.collect(),
                expression: expression.clone(),
                message: message.clone(),
            })
        }
    }
}

/// Which of those that wait is next: the one for which most reviews do; of equals, the first.
fn most_wanted(waiting: impl Iterator<Item = usize>) -> Option<usize> {
    waiting.enumerate().max_by_key(|(at, reviews)| (*reviews, std::cmp::Reverse(*at))).map(|(at, _)| at)
}

/// Modules that are already loaded and compiled: several policies may use the same one.
#[derive(Default)]
struct Known {
    modules: Shared<Arc<Vec<u8>>>,
    policies: Shared<Policy>,
}

/// Values by key, each made once; callers that come meanwhile wait for it.
type Shared<T> = Mutex<BTreeMap<String, Arc<OnceLock<Result<T, String>>>>>;

impl Known {
    /// The modules of the present policies; one with its settings inside counts for these settings only.
    fn of(before: &Policies) -> Self {
        let known = Self::default();
        let evaluators = before.values().filter_map(|served| served.answerer()?.ok());
        let policies = evaluators.flat_map(|evaluator| match evaluator {
            Evaluator::Policy(policy, _) => vec![policy],
            Evaluator::Group(group) => group.policies.into_values().map(|(policy, _)| policy).collect(),
        });
        for policy in policies.filter(|policy| !policy.has_settings_inside()) {
            let digest = policy.digest().to_owned();
            let _ = once(&known.policies, &digest, || Ok(policy));
        }
        known
    }

    fn module(
        &self,
        module: &str,
        load: impl FnOnce() -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Arc<Vec<u8>>> {
        let made = || load().map(Arc::new).map_err(|error| format!("{error:#}"));
        once(&self.modules, module, made).map_err(|reason| anyhow!(reason))
    }

    fn policy(
        &self,
        wasm: &[u8],
        load: impl FnOnce() -> Result<Policy, LoadError>,
    ) -> anyhow::Result<Policy> {
        let made = || load().map_err(|error| error.to_string());
        once(&self.policies, &Policy::digest_of(wasm), made).map_err(|reason| anyhow!(reason))
    }
}

fn once<T: Clone>(
    shared: &Shared<T>,
    key: &str,
    make: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let one = all.entry(key.to_owned()).or_default().clone();
    drop(all);
    one.get_or_init(make).clone()
}

/// Until the senders are gone.
fn improve_all(jobs: &mpsc::Receiver<Improvement>) {
    for Improvement { id, what, served, mut members } in jobs {
        let Some(served) = served.upgrade() else { continue };
        for member in members.values_mut() {
            member.policy = member.policy.prepared(&member.wasm, &member.settings);
        }
        served.answers_by(Stage::Optimized, Ok(evaluator(&id, &what, &members)));
        tracing::debug!(policy = id, "nothing is left to improve");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_reviews_wait_for_is_next() {
        let of = |waiting: &[usize]| most_wanted(waiting.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[0, 0, 0]), Some(0));
        assert_eq!(of(&[0, 2, 5, 5, 1]), Some(2));
    }

    #[test]
    fn what_is_asked_for_twice_is_made_once() {
        let shared = Shared::default();
        assert_eq!(once(&shared, "a", || Ok(1)), Ok(1));
        assert_eq!(once(&shared, "a", || unreachable!()), Ok(1));
        assert_eq!(once::<i32>(&shared, "b", || Err("no".to_owned())), Err("no".to_owned()));
    }
}
