//! Asks the cloud and instance metadata the questions about a private link.

use std::sync::Arc;

use private_link::examine::{Answers, DnsPlace, Question};
use tcr::image_pull_secret::Tcr;
use tcr::region::is_region;
use tencent_cloud::endpoint_dns::DnsQuestion;

use crate::settings::Settings;

/// The services to ask, and answers that stay valid.
pub(super) struct Cloud {
    settings: Arc<Settings>,
    /// The region that instance metadata returned: a machine never changes it.
    machine_region: Option<String>,
}

impl Cloud {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, machine_region: None }
    }

    /// Asks one question about the links of an instance, and adds the answer to `answers`.
    pub(super) async fn answer(&mut self, tcr: &Tcr, question: Question, answers: &mut Answers) {
        let (region, instance) = (&tcr.region, &tcr.instance_id);
        let cloud = self.settings.clouds.of(tcr.role_arn.as_deref(), region, instance);
        match question {
            Question::MachineVpc => answers.machine_vpc = Some(self.machine_vpc().await),
            Question::VpcRegion => answers.vpc_region = Some(self.vpc_region().await),
            Question::Instance => {
                let found = cloud.instance(region, instance).await.map_err(|error| error.to_string());
                answers.of(tcr).instance = Some(found);
            }
            Question::Endpoints => {
                let endpoints = cloud.internal_endpoints(region, instance).await;
                answers.of(tcr).endpoints = Some(endpoints.map_err(|error| error.to_string()));
            }
            Question::CustomDomains => {
                let domains = cloud.customized_domains(region, instance).await;
                answers.of(tcr).custom_domains = Some(domains.map_err(|error| error.to_string()));
            }
            Question::Dns { place, is_default_domain, address } => {
                let DnsPlace { vpc_id, region: vpc_region, .. } = &place;
                let question = DnsQuestion { vpc_id, region: vpc_region, address, is_default_domain };
                let answer = cloud.is_served_by_dns(region, instance, question).await;
                let is_served = answer
                    .inspect_err(|error| {
                        tracing::debug!(%error, "cannot find out whether private DNS serves the VPC");
                    })
                    .ok();
                answers.of(tcr).is_served_by_dns.insert(place, is_served);
            }
        }
    }

    /// The region of the nodes: from instance metadata, else from the settings.
    async fn vpc_region(&mut self) -> Option<String> {
        if self.machine_region.is_none()
            && let Some(metadata) = self.settings.clouds.own().metadata()
        {
            let told = metadata.region().await;
            self.machine_region = told.ok().flatten().filter(|region| is_region(region));
        }
        self.machine_region.clone().or_else(|| self.settings.region.clone())
    }

    /// The VPC of the node that the controller runs on, or why it is not known.
    pub(super) async fn machine_vpc(&self) -> Result<String, String> {
        let metadata = self.settings.clouds.own().metadata().ok_or("there is no instance metadata to ask")?;
        match metadata.vpc_id().await {
            Ok(Some(vpc_id)) => Ok(vpc_id),
            Ok(None) => Err(format!("{} names none", metadata.endpoint())),
            Err(error) => Err(format!("{} does not tell: {error}", metadata.endpoint())),
        }
    }
}
