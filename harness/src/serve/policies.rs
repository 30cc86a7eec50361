//! The served policies: reads the policies file, and follows its changes.
//!
//! *Guarantees:* the served policies change as a whole and at once, when all of them are ready; a review ends
//! with the policy that it began with; a file that cannot be served changes nothing, and is reported in the
//! log, the metrics and the readiness until it can be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::Signal;

use super::certificate::LOOK;
use super::cluster::ClusterAccess;
use super::health::Health;
use super::modules::{Modules, is_near};
use super::preparation::{Job, Preparer};
use super::reviewer::{OnHostFailure, Policies, Reviewer};
use super::served_policy::{ServedPolicy, Stage};
use super::turns::most_reviews;
use crate::policies_file::{self, Served};
use crate::{HostOptions, ModuleCache};

/// How long after a failure the same source is tried again: a registry may have been away.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Which policies are served, and how.
pub struct PoliciesOptions {
    pub file: PathBuf,
    /// Its text, as it was already read.
    pub text: String,
    /// Where modules come from.
    pub modules: Arc<dyn Modules>,
    /// How often modules that are no files are looked at; never where there is none.
    pub module_poll_interval: Option<Duration>,
    /// The cluster access of policies.
    pub cluster: ClusterAccess,
    /// How long a review may take where the file does not say.
    pub timeout: Duration,
    /// How much memory a review may use, in bytes.
    pub memory_limit: usize,
    /// Where compiled modules are kept.
    pub module_cache: Option<ModuleCache>,
    /// Reviews at a time, besides those that take long.
    pub workers: usize,
    /// Whether policies that cannot be prepared keep the others from being served.
    pub continue_on_errors: bool,
    /// A namespace in which everything is admitted unasked.
    pub always_accept: Option<String>,
    /// The answer where there is no verdict.
    pub on_host_failure: OnHostFailure,
}

/// The wanted policies: the file's text, and the versions of its modules.
#[derive(Clone, Default, PartialEq, Eq)]
struct Source {
    text: String,
    versions: BTreeMap<String, String>,
}

/// The wanted version of one policy: its part of the file, and the versions of its modules.
#[derive(Clone, PartialEq, Eq)]
struct PolicyVersion {
    served: Served,
    versions: Vec<String>,
}

/// Keeps the served policies in step with the file.
pub(super) struct Follower {
    options: PoliciesOptions,
    preparer: Arc<Preparer>,
    reviewer: Arc<Reviewer>,
    health: Health,
    /// The version of each policy that answers.
    answering: BTreeMap<String, PolicyVersion>,
    /// The source that is served as a whole; none while only a part of it is.
    source: Option<Source>,
    /// The source that could not be served as a whole, and when that was tried.
    failed: Option<(Source, Instant)>,
    /// The source as it was read last.
    observed: Source,
    next_number: usize,
}

impl Follower {
    /// Sets up what the file says; nothing answers for its policies yet.
    ///
    /// # Errors
    /// The file says nothing that could be served, or the machine cannot run policies.
    pub(super) fn new(options: PoliciesOptions, health: Health) -> anyhow::Result<Self> {
        let served = parse(&options, &options.text)?;
        let host_options = HostOptions {
            // The time for asking a policy about its settings; a review's own timeout is passed with it.
            timeout: options.timeout.max(Duration::from_secs(10)),
            memory_limit: options.memory_limit,
            // However many policies there will be.
            concurrency: most_reviews(options.workers, usize::MAX),
            idle_instances: u32::try_from(most_reviews(options.workers, served.len())).unwrap_or(u32::MAX),
            module_cache: options.module_cache.clone(),
        };
        let preparer = Arc::new(Preparer::new(host_options, options.modules.clone())?);
        let place = |(number, (id, served))| {
            let place = ServedPolicy::new(number, &served, options.timeout);
            (id, Arc::new(place))
        };
        let policies: Policies = served.into_iter().enumerate().map(place).collect();
        let next_number = policies.len();
        let (workers, exempt) = (options.workers, options.always_accept.clone());
        let reviewer = Arc::new(Reviewer::new(policies, workers, exempt, options.on_host_failure));
        health.has(reviewer.clone());
        Ok(Self {
            options,
            preparer,
            reviewer,
            health,
            answering: BTreeMap::new(),
            source: None,
            failed: None,
            observed: Source::default(),
            next_number,
        })
    }

    pub(super) fn reviewer(&self) -> Arc<Reviewer> {
        self.reviewer.clone()
    }

    /// Prepares all policies for the first time.
    ///
    /// # Errors
    /// One cannot be prepared, and is not to be gone on without.
    pub(super) async fn prepare(&mut self) -> anyhow::Result<()> {
        let is_polled = self.options.module_poll_interval.is_some();
        let source = self.look(self.options.text.clone(), is_polled).await;
        let places = self.reviewer.policies();
        let result = self.serve(source, |follower, id, served| match places.get(id) {
            Some(place) => place.clone(),
            None => follower.place(id, served),
        });
        match result.await {
            Err(error) if !self.options.continue_on_errors => return Err(error),
            Err(error) => tracing::error!("not all policies are served: {error:#}"),
            Ok(()) => {}
        }
        self.told(false);
        self.health.serves();
        Ok(())
    }

    /// Until the process ends. `hangup` has it look at once, at everything.
    pub(super) async fn follow(mut self, mut hangup: Signal) {
        let mut looked_far = Instant::now();
        loop {
            let is_told = tokio::select! {
                () = tokio::time::sleep(LOOK) => false,
                _ = hangup.recv() => true,
            };
            let is_due = self.options.module_poll_interval.is_some_and(|every| looked_far.elapsed() >= every);
            let far = is_told || is_due;
            if far {
                looked_far = Instant::now();
            }
            let now = match tokio::fs::read_to_string(&self.options.file).await {
                Ok(text) => self.look(text, far).await,
                // Begins as no file does that says something.
                Err(error) => Source { text: format!("\0{error}"), ..Source::default() },
            };
            match next_step(self.source.as_ref(), self.failed.as_ref(), &now, Instant::now(), is_told) {
                Step::Wait => {}
                Step::Recovered => {
                    self.failed = None;
                    self.reviewer.metrics.policies_recovered();
                    self.health.reload_failed(false);
                    tracing::info!("the policies file says again what is served");
                }
                Step::Reload => {
                    match self.serve(now, Self::place).await {
                        Ok(()) => {
                            tracing::info!(policies = self.answering.len(), "the policies were reloaded");
                        }
                        Err(error) => tracing::error!(
                            error = format!("{error:#}"),
                            "cannot reload the policies; those of before are served on"
                        ),
                    }
                    self.told(true);
                }
            }
        }
    }

    /// Answers the request to reload with what became of the file.
    fn told(&self, is_reload: bool) {
        self.reviewer.metrics.policies_read(is_reload, self.failed.is_some());
        self.health.reload_failed(self.failed.is_some());
    }

    /// The present versions of the modules of that text; modules that are no files are looked up only where
    /// `far`.
    async fn look(&mut self, text: String, far: bool) -> Source {
        let modules: Vec<String> = match policies_file::parse(&text) {
            _ if text == self.observed.text => self.observed.versions.keys().cloned().collect(),
            Ok(served) => {
                let sources = served.values().flat_map(Served::sources);
                sources.map(|source| source.module.clone()).collect()
            }
            // The next reload says so.
            Err(_) => Vec::new(),
        };
        let (known, source) = (self.observed.versions.clone(), self.options.modules.clone());
        let versions = tokio::task::spawn_blocking(move || {
            let version = |module: String| {
                let version = match known.get(&module) {
                    Some(known) if !far && !is_near(&module) => known.clone(),
                    None if !far && !is_near(&module) => String::new(),
                    // That it is missing is a version too: one that cannot be loaded.
                    _ => source.version(&module).unwrap_or_else(|error| format!("{error:#}")),
                };
                (module, version)
            };
            modules.into_iter().map(version).collect()
        });
        // Where it panicked, nothing is known of any.
        self.observed = Source { text, versions: versions.await.unwrap_or_default() };
        self.observed.clone()
    }

    /// A place for a policy that is new or another one than before.
    fn place(&mut self, id: &str, served: &Served) -> Arc<ServedPolicy> {
        let before = self.reviewer.policies().get(id).map(|before| before.number);
        let number = before.unwrap_or(self.next_number);
        self.next_number += usize::from(before.is_none());
        Arc::new(ServedPolicy::new(number, served, self.options.timeout))
    }

    /// Serves what that source says; policies that are as they were go on.
    async fn serve(
        &mut self,
        source: Source,
        mut place: impl FnMut(&mut Self, &str, &Served) -> Arc<ServedPolicy>,
    ) -> anyhow::Result<()> {
        let result = self.try_serve(&source, &mut place).await;
        match &result {
            Ok(()) => (self.source, self.failed) = (Some(source), None),
            Err(_) => self.failed = Some((source, Instant::now())),
        }
        result
    }

    async fn try_serve(
        &mut self,
        source: &Source,
        place: &mut impl FnMut(&mut Self, &str, &Served) -> Arc<ServedPolicy>,
    ) -> anyhow::Result<()> {
        if let Some(error) = source.text.strip_prefix('\0') {
            return Err(anyhow!("cannot read {}: {error}", self.options.file.display()));
        }
        let served = parse(&self.options, &source.text)?;
        let before = self.reviewer.policies();
        let (mut policies, mut answering, mut jobs) = (Policies::new(), BTreeMap::new(), Vec::new());
        for (id, served) in served {
            let version = |module: &String| source.versions.get(module).cloned().unwrap_or_default();
            let versions = served.sources().iter().map(|source| version(&source.module)).collect();
            let policy_version = PolicyVersion { served, versions };
            let place = match before.get(&id).filter(|_| self.answering.get(&id) == Some(&policy_version)) {
                Some(same) => same.clone(),
                None => {
                    let place = place(self, &id, &policy_version.served);
                    jobs.push(Job {
                        id: id.clone(),
                        served: policy_version.served.clone(),
                        policy: place.clone(),
                    });
                    place
                }
            };
            policies.insert(id.clone(), place);
            answering.insert(id, policy_version);
        }
        let failures = self.prepare_jobs(jobs, &answering).await?;
        let mut first = None;
        for (id, error) in failures {
            if !self.options.continue_on_errors {
                return Err(error);
            }
            tracing::error!(policy = id, "{error:#}");
            answering.remove(&id);
            match (self.answering.remove(&id), before.get(&id)) {
                (Some(policy_version), Some(old)) => {
                    answering.insert(id.clone(), policy_version);
                    policies.insert(id, old.clone());
                }
                _ => policies[&id].answers_by(Stage::Failed, Err(format!("{error:#}"))),
            }
            first.get_or_insert(error);
        }
        self.answering = answering;
        self.reviewer.replace(policies);
        match first {
            None => Ok(()),
            Some(error) => {
                // The policies from before are not served as a whole either.
                self.source = None;
                Err(error.context("the others are served as the file says"))
            }
        }
    }

    async fn prepare_jobs(
        &self,
        jobs: Vec<Job>,
        answering: &BTreeMap<String, PolicyVersion>,
    ) -> anyhow::Result<BTreeMap<String, anyhow::Error>> {
        let all = answering.iter().map(|(id, version)| (id.as_str(), &version.served));
        let registry = self.options.modules.open_registry();
        let capabilities = self.options.cluster.capabilities(all, registry).await?;
        let (preparer, before) = (self.preparer.clone(), self.reviewer.policies());
        let go_on = self.options.continue_on_errors;
        tokio::task::spawn_blocking(move || preparer.prepare(jobs, &before, &capabilities, go_on))
            .await
            .context("a policy could not be prepared")
    }
}

/// The next step for the present source.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is served, or was just tried.
    Wait,
    /// The source that failed is gone, and the served one is present again.
    Recovered,
    /// It has to be loaded.
    Reload,
}

/// The next step for the present source, where one is served and another may have failed. With `is_told` a
/// failed one is tried again at once.
fn next_step(
    served: Option<&Source>,
    failed: Option<&(Source, Instant)>,
    now: &Source,
    at: Instant,
    is_told: bool,
) -> Step {
    match failed {
        None if served == Some(now) => Step::Wait,
        Some(_) if served == Some(now) => Step::Recovered,
        Some((tried, when)) if tried == now && !is_told && at.duration_since(*when) < RETRY_INTERVAL => {
            Step::Wait
        }
        _ => Step::Reload,
    }
}

fn parse(options: &PoliciesOptions, text: &str) -> anyhow::Result<BTreeMap<String, Served>> {
    policies_file::parse(text).with_context(|| format!("cannot serve {}", options.file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_served_and_what_failed_is_tried_again_later_or_when_it_changes() {
        let source = |text: &str| Source { text: text.to_owned(), ..Source::default() };
        let (one, two, three) = (source("1"), source("2"), source("3"));
        let began = Instant::now();
        let step = |failed: Option<&(Source, Instant)>, now, after| {
            next_step(Some(&one), failed, now, began + after, false)
        };
        let soon = Duration::from_secs(1);
        assert_eq!(step(None, &one, soon), Step::Wait);
        assert_eq!(step(None, &two, soon), Step::Reload);
        let failed = (two.clone(), began);
        assert_eq!(step(Some(&failed), &two, soon), Step::Wait);
        assert_eq!(step(Some(&failed), &two, RETRY_INTERVAL), Step::Reload);
        assert_eq!(step(Some(&failed), &three, soon), Step::Reload);
        assert_eq!(step(Some(&failed), &one, soon), Step::Recovered);
        assert_eq!(next_step(Some(&one), Some(&failed), &two, began, true), Step::Reload);
        // Where only a part is served, the source from before is no longer served as a whole.
        assert_eq!(next_step(None, Some(&failed), &one, began, false), Step::Reload);
    }
}
