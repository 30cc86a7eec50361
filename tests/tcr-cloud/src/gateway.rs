//! From a request to a reply: the checks in the gateway's order, then the action, then the faults.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    action::{self, Action},
    call::Call,
    clock::{self, Clock},
    config::Config,
    envelope::{ApiError, Outcome, envelope},
    fault::{Fate, FaultKind, Script},
    http::{Cut, Reply, Request},
    metadata,
    parameter::Parameters,
    random::Random,
    rate_limit::RateLimit,
    region, sts, tc3,
    token_request::TokenRequest,
    world::{Caller, World},
};

/// The service that stands in a credential's scope.
const SERVICE: &str = "tcr";
/// `X-TC-Version`.
const VERSION: &str = "2019-09-24";
/// The greatest body, by the documentation of the signature method: 10 MB.
pub(crate) const GREATEST_BODY: usize = 10 * 1024 * 1024;

/// The cloud without its network.
pub(crate) struct Gateway {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) script: Script,
    pub(crate) calls: Vec<Call>,
    pub(crate) token_requests: Vec<TokenRequest>,
    rate_limit: RateLimit,
    limits: std::collections::BTreeMap<String, u32>,
}

impl Gateway {
    pub(crate) fn new(config: Config, random: Random) -> Self {
        let mut script = Script::default();
        config.faults.into_iter().for_each(|fault| script.add(fault));
        Self {
            clock: Clock::new(config.now),
            world: World {
                accounts: config.accounts,
                roles: config.roles,
                instances: config.instances,
                machine: config.machine,
                machine_key: None,
                deleted_users: Default::default(),
                tokens: Vec::new(),
                service_accounts: Vec::new(),
                polls: Default::default(),
                random,
            },
            script,
            calls: Vec::new(),
            token_requests: Vec::new(),
            rate_limit: RateLimit::default(),
            limits: config.rate_limits,
        }
    }

    /// What a request has coming, which is thereby used up. Its `delay_before` is the caller's to wait.
    pub(crate) fn fate(&mut self, request: &Request) -> Fate {
        self.script.take(action_name(request))
    }

    /// Carries a request out as far as its fate allows, and records it.
    pub(crate) fn answer(&mut self, request: &Request, fate: Fate) -> Reply {
        let now = self.clock.now();
        let request_id = self.world.random.uuid();
        let outcome = fate.lets_it_happen().then(|| self.perform(request, now));
        let mut call = Call {
            action: action_name(request).to_owned(),
            secret_id: claimed_secret_id(request),
            code: match &outcome {
                Some(Err(error)) => Some(error.code.clone()),
                _ => None,
            },
            done: matches!(outcome, Some(Ok(_))),
            fault: fate.fault.as_ref().map(ToString::to_string),
            at: now,
            request_id: request_id.clone(),
        };
        let true_answer = outcome.map(|outcome| envelope(outcome, &request_id));
        let mut reply = Reply {
            status: 200,
            content_type: "application/json",
            date: clock::http_date(now),
            body: true_answer.as_ref().map(to_bytes).unwrap_or_default(),
            cut: Cut::Never,
            delay: fate.delay_after,
        };
        if let Some(fault) = fate.fault {
            strike(&mut reply, &mut call, fault.kind, true_answer, &request_id);
        }
        self.calls.push(call);
        reply
    }

    fn perform(&mut self, request: &Request, now: Timestamp) -> Outcome {
        match action_name(request) {
            sts::WITH_WEB_IDENTITY => {
                check_form(request)?;
                return self.assume_role_with_web_identity(request, now);
            }
            sts::ASSUME_ROLE => return self.assume_role(request, now),
            sts::CALLER => return self.caller_identity(request, now),
            _ => {}
        }
        let (action, caller, parameters) = self.admit(request, now)?;
        (action.run)(&mut self.world, &caller, &parameters)
    }

    /// Takes a call out of its action's bucket.
    pub(crate) fn limit(
        &mut self,
        action: &'static str,
        uin: &str,
        per_second: u32,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let per_second = self.limits.get(action).copied().unwrap_or(per_second);
        self.rate_limit.take(action, uin, per_second, now)
    }

    /// What a request for metadata has coming, which is thereby used up.
    pub(crate) fn metadata_fate(&mut self) -> Fate {
        self.script.take(metadata::NAME)
    }

    /// Answers and records a request for metadata.
    pub(crate) fn answer_metadata(&mut self, request: &Request, fate: Fate) -> Reply {
        let now = self.clock.now();
        let path = request.path.strip_prefix(metadata::PATH).unwrap_or_default();
        let found = match (request.method.as_str(), fate.lets_it_happen()) {
            ("GET", true) => self.metadata(path, now),
            _ => None,
        };
        let mut call = Call {
            action: metadata::NAME.to_owned(),
            secret_id: String::new(),
            code: None,
            done: found.is_some(),
            fault: fate.fault.as_ref().map(ToString::to_string),
            at: now,
            request_id: path.to_owned(),
        };
        let mut reply = Reply {
            status: if found.is_some() { 200 } else { 404 },
            content_type: "text/plain",
            date: clock::http_date(now),
            body: found.unwrap_or_else(|| "not found".to_owned()).into_bytes(),
            cut: Cut::Never,
            delay: fate.delay_after,
        };
        if let Some(fault) = fate.fault {
            strike(&mut reply, &mut call, fault.kind, None, path);
        }
        self.calls.push(call);
        reply
    }

    /// Everything that must hold before an action runs.
    fn admit(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<(&'static Action, Caller, Parameters), ApiError> {
        check_form(request)?;
        let account = tc3::authenticate(&self.world.accounts, request, SERVICE, now)?.clone();
        let name = required_header(request, "X-TC-Action")?;
        let action = action::find(name).ok_or_else(|| {
            ApiError::new(
                "InvalidAction",
                format!("The request action=`{name}` is invalid or not match the product."),
            )
        })?;
        let version = required_header(request, "X-TC-Version")?;
        check_version(version, VERSION)?;
        let region = required_header(request, "X-TC-Region")?;
        check_region(region)?;
        self.limit(action.name, &account.uin, action.per_second, now)?;
        let parameters = Parameters::read(&request.body, action.form)?;
        let operation = format!("tcr:{name}");
        // The one instance that it is about; a list of several is about none.
        let about = parameters.string("RegistryId").or_else(|| match parameters.strings("Registryids")[..] {
            [one] => Some(one),
            _ => None,
        });
        if !account.may_on(&operation, about) {
            return Err(ApiError::new(
                "UnauthorizedOperation",
                format!("you are not authorized to perform operation ({operation})"),
            ));
        }
        Ok((action, Caller { account, region: region.to_owned(), now }, parameters))
    }
}

/// The version that a request names is that of its service.
pub(crate) fn check_version(named: &str, version: &str) -> Result<(), ApiError> {
    match named == version {
        true => Ok(()),
        false => Err(ApiError::new("NoSuchVersion", format!("The API version `{named}` does not exist."))),
    }
}

/// The region that a request names is one that there is.
pub(crate) fn check_region(name: &str) -> Result<(), ApiError> {
    match region::find(name) {
        Some(_) => Ok(()),
        None => Err(ApiError::new("UnsupportedRegion", format!("The region `{name}` is not supported."))),
    }
}

pub(crate) fn check_form(request: &Request) -> Result<(), ApiError> {
    if request.body.len() > GREATEST_BODY {
        return Err(ApiError::new("RequestSizeLimitExceeded", "The request exceeds 10 MB."));
    }
    if request.method != "POST" || request.path != "/" || !request.query.is_empty() {
        return Err(ApiError::new(
            "UnsupportedProtocol",
            format!(
                "{} {} is not POST / without a query, the only form this cloud takes.",
                request.method, request.path
            ),
        ));
    }
    let content_type = request.header("content-type")?.unwrap_or_default();
    match content_type.split(';').next() {
        Some("application/json") => Ok(()),
        _ => Err(ApiError::invalid_parameter(format!(
            "The Content-Type `{content_type}` is not `application/json`."
        ))),
    }
}

pub(crate) fn required_header<'a>(request: &'a Request, name: &str) -> Result<&'a str, ApiError> {
    request
        .header(&name.to_ascii_lowercase())?
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ApiError::missing_parameter(name))
}

/// The action a request names, for faults and for the record: empty when it names none.
fn action_name(request: &Request) -> &str {
    request.header("x-tc-action").ok().flatten().unwrap_or_default()
}

fn claimed_secret_id(request: &Request) -> String {
    let header = request.header("authorization").ok().flatten().unwrap_or_default();
    tc3::Authorization::parse(header).map(|it| it.secret_id.to_owned()).unwrap_or_default()
}

/// Makes of a reply what the fault wants.
fn strike(reply: &mut Reply, call: &mut Call, kind: FaultKind, true_answer: Option<Value>, request_id: &str) {
    let sentence = |message: String| if message.is_empty() { "scripted".to_owned() } else { message };
    match kind {
        FaultKind::Delay(_) => {}
        FaultKind::Error { code, message } => {
            call.code = Some(code.clone());
            reply.body = to_bytes(&envelope(Err(ApiError::new(code, sentence(message))), request_id));
        }
        FaultKind::LegacyError { code, message } => {
            call.code = Some(code.to_string());
            reply.body =
                to_bytes(&json!({"code": code, "message": sentence(message), "codeDesc": "Scripted"}));
        }
        FaultKind::Status(status) => {
            call.code = None;
            reply.status = status;
            reply.content_type = "text/html";
            reply.body = format!("<html><body><h1>{status}</h1></body></html>\n").into_bytes();
        }
        FaultKind::Drop => {
            call.code = None;
            reply.body.clear();
            reply.cut = Cut::BeforeReply;
        }
        FaultKind::CutOff => reply.cut = Cut::WithinBody,
        FaultKind::Garbage => {
            call.code = None;
            reply.body = b"\x00\xff<<<not json>>>".to_vec();
        }
        FaultKind::EmptyBody => {
            call.code = None;
            reply.body.clear();
        }
        FaultKind::TruncatedJson => reply.body.truncate(reply.body.len() / 2),
        FaultKind::Lie { field, value } => {
            if let (Some(mut answer), None) = (true_answer, &call.code) {
                answer["Response"][field] = value;
                reply.body = to_bytes(&answer);
            }
        }
    }
}

fn to_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
