//! Calls under way: what becomes of each, and until when.

use tcr::verdict::Verdict;
use tencent_cloud::error::Failure;

use crate::call::{Call, Fate, Reply, Service};
use crate::cloud;
use crate::refusal;
use crate::world::World;

/// A call under way.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: u32,
    pub(crate) process: u32,
    pub(crate) task: u32,
    pub(crate) call: Call,
    /// Somebody waits for it until then; afterwards it may be carried out until then.
    pub(crate) until: u64,
    /// Nobody waits for it any more.
    pub(crate) is_abandoned: bool,
}

/// A call that was decided.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Who made it.
    pub process: u32,
    /// Of its tasks, the one that made it.
    pub task: u32,
    /// What was called.
    pub service: Service,
    /// Somebody waits for the answer.
    pub is_awaited: bool,
}

impl InFlight {
    /// Nobody waits for it any more from now on.
    pub(crate) fn abandon(&mut self, now: u64) {
        if !self.is_abandoned {
            (self.is_abandoned, self.until) = (true, now + self.call.service().carried_out_within());
        }
    }
}

impl Service {
    /// How long a caller waits for an answer, in milliseconds: `DEADLINE` of the controller, the deadline of the cloud's
    /// client, the time-out of a question to a registry.
    pub(crate) fn answers_within(self) -> u64 {
        match self {
            Self::Cloud | Self::Creation | Self::Store | Self::Api => 30_000,
            Self::Registry => 10_000,
        }
    }

    /// How long after its caller gave up a call may be carried out yet: an API server's own limit is 60 s
    /// (`--request-timeout`); what the cloud does within two minutes, a keeper waits for
    /// ([`credential_plan::plan::APPEARS_WITHIN`]).
    fn carried_out_within(self) -> u64 {
        match self {
            Self::Store | Self::Api => 60_000,
            Self::Cloud | Self::Creation => 110_000,
            Self::Registry => 0,
        }
    }
}

impl World {
    /// What nobody waits for and was not carried out by now, never is.
    pub fn drop_late(&mut self) {
        let now = self.now;
        self.calls.retain(|it| !it.is_abandoned || it.until >= now);
    }

    /// Decides the fate of one of the calls under way: the process and task that have an answer now; none when there
    /// was no call, or nobody waits for it.
    pub fn serve(&mut self, pick: usize, fate: Fate) -> Option<Served> {
        self.drop_late();
        if self.calls.is_empty() {
            return None;
        }
        self.serve_one(pick % self.calls.len(), fate)
    }

    /// Of the calls that their callers have waited for as long as they wait, the next one: it was answered in time, or
    /// its caller gives up.
    pub fn serve_overdue(&mut self) -> Option<(Served, Fate)> {
        let now = self.now;
        let index = self.calls.iter().position(|it| !it.is_abandoned && it.until <= now)?;
        let fate = if self.random.percent(75) { Fate::Well } else { Fate::GivenUp };
        Some((self.serve_one(index, fate)?, fate))
    }

    fn serve_one(&mut self, index: usize, fate: Fate) -> Option<Served> {
        if fate == Fate::GivenUp {
            let (now, call) = (self.now, &mut self.calls[index]);
            if call.is_abandoned {
                return None;
            }
            if let Some(place) = call.call.place() {
                self.blurred[place] = true;
            }
            call.abandon(now);
            let &mut InFlight { id, process, task, ref call, .. } = call;
            self.answers.push((id, call.unanswered(0)));
            return Some(Served { process, task, service: call.service(), is_awaited: true });
        }
        let InFlight { id, process, task, call, is_abandoned, .. } = self.calls.remove(index);
        let service = call.service();
        if is_abandoned || matches!(fate, Fate::AnswerLost(_)) {
            match call.place() {
                Some(place) => self.blurred[place] = true,
                None => self.has_blurred_tokens |= matches!(service, Service::Creation | Service::Store),
            }
        }
        let reply = match fate {
            Fate::Lost => call.unanswered(0),
            Fate::Refused(how) => self.refuse(id, process, call, how, is_abandoned),
            Fate::AnswerLost(how) => {
                let unanswered = call.unanswered(how);
                self.execute(id, process, call, true);
                unanswered
            }
            Fate::Well | Fate::GivenUp => self.execute(id, process, call, is_abandoned),
        };
        if !is_abandoned {
            self.answers.push((id, reply));
        }
        Some(Served { process, task, service, is_awaited: !is_abandoned })
    }

    fn refuse(&mut self, id: u32, process: u32, call: Call, how: u8, abandoned: bool) -> Reply {
        let failure = || cloud::failure(usize::from(how));
        let api = || match how % 4 {
            0 => refusal::throttled(),
            1 => refusal::internal(),
            2 => refusal::broken(),
            _ => refusal::forbidden("admission webhook \"guard\" denied the request"),
        };
        match call {
            Call::Instance(_) => Reply::Instance(Err(failure())),
            Call::ListTokens => Reply::Tokens(Err(failure())),
            Call::DeleteToken(_) | Call::SetAccount(_) => Reply::Deleted(Err(failure())),
            Call::CreateToken(..) | Call::CreateAccount(..) => match failure() {
                // It was made, and its answer makes no sense.
                Failure::Implausible { reason, request_id, .. } => {
                    let Reply::Issued(Ok(issued)) = self.execute(id, process, call, abandoned) else {
                        return Reply::Issued(Err(failure()));
                    };
                    if let Some(token) = self.cloud.tokens.last_mut() {
                        token.abandoned = true;
                    }
                    Reply::Issued(Err(Failure::Implausible { reason, request_id, token_id: issued.token_id }))
                }
                failure => Reply::Issued(Err(failure)),
            },
            Call::Check(_) => Reply::Verdict(Verdict::Unknown { reason: "connection reset".to_owned() }),
            Call::ReadStored(_) | Call::WriteStored(..) | Call::DeleteStored(..) => Reply::Stored(Err(api())),
            Call::ListStored => Reply::AllStored(Err(api())),
            Call::GetSecret(..)
            | Call::CreateSecret(..)
            | Call::UpdateSecret(..)
            | Call::PutSecret(..)
            | Call::MarkSecret(..)
            | Call::DeleteSecret(..) => Reply::Secret(Err(api())),
            Call::EditAccount(..) => Reply::Account(Err(api())),
            Call::Status(..) | Call::Finalize(..) => Reply::Done(Err(api())),
        }
    }
}
