//! `harness run`: puts requests or manifests to a policy.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::{Input, Reading};
use super::operation::OperationArg;
use super::policy::{Definition, Definitions, PolicyArgs};
use super::report::Report;
use crate::Request;

const EXAMPLES: &str = "\
Examples:
  harness run policy.wasm -r pods.yaml -s settings.yml -o diff    each object: what would happen, and the change
  harness run policy.wasm -r review.json --settings-json '{}'     one AdmissionResponse per request, one per line
  kubectl get pods -A -o yaml | harness run policy.wasm -r - -o diff
  harness run policies.yaml -r review.json                        custom resources: each policy or group of the file
  harness run policy.wasm -r pod.yaml --allow-context-aware       it reads the cluster of KUBECONFIG
  harness run policy.wasm -r pod.yaml --allow-context-aware --objects cluster/
  harness run policy.wasm -r pod.yaml --allow-context-aware --replay-host-capabilities-interactions session.yml";

/// Put requests or manifests to a policy and print its answers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    #[command(flatten)]
    policy: PolicyArgs,

    /// An AdmissionReview, a bare request, or manifests (YAML or JSON, several documents, Lists); - is
    /// standard input. May be given several times
    #[arg(short, long = "request-path", value_name = "PATH", required = true)]
    request_path: Vec<PathBuf>,

    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    output: Output,

    /// What is done to the objects of manifests
    #[arg(long, value_enum, ignore_case = true, default_value_t = OperationArg::Create)]
    operation: OperationArg,

    /// Who does it, for manifests
    #[arg(long, default_value = "kubernetes-admin")]
    username: String,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// One AdmissionResponse per request, one per line
    Json,
    /// For people: one line per object, the change, and a summary
    Diff,
}

impl Run {
    /// Checks everything that can be wrong first: the policies, the inputs, the settings.
    pub(super) fn execute(self, colour: bool) -> anyhow::Result<()> {
        let Definitions { definitions, answering } = self.policy.definitions(1)?;
        let inputs = definitions.iter().map(|definition| self.inputs(definition.raw));
        let inputs: Vec<Vec<Input>> = inputs.collect::<anyhow::Result<_>>()?;
        if definitions.len() > 1 {
            tracing::info!("several policies: each is asked with the same requests");
        }
        let mut report = Report::new(colour);
        for (definition, inputs) in definitions.iter().zip(&inputs) {
            answering.rewind();
            let printed = self.evaluate(definition, inputs, &mut report);
            if printed.is_err() {
                answering.finish()?;
            }
            printed?;
        }
        answering.finish()?;
        match self.output {
            Output::Json => Ok(()),
            Output::Diff => super::files::print(&report.summary()),
        }
    }

    fn inputs(&self, raw: bool) -> anyhow::Result<Vec<Input>> {
        let reading = Reading { raw, operation: self.operation.into(), username: &self.username };
        let mut inputs = Vec::new();
        for path in &self.request_path {
            inputs.extend(reading.read(path)?);
        }
        Ok(inputs)
    }

    fn evaluate(&self, definition: &Definition, inputs: &[Input], report: &mut Report) -> anyhow::Result<()> {
        for input in inputs {
            let request = match definition.raw {
                true => Request::raw(input.request.as_bytes())?,
                false => Request::from_request(input.request.as_bytes())?,
            };
            let evaluation = definition.evaluate(&request);
            super::files::print(&match self.output {
                Output::Json => serde_json::to_string(&evaluation.response)? + "\n",
                Output::Diff => report.entry(&request, &evaluation, input.is_yaml),
            })?;
        }
        Ok(())
    }
}
