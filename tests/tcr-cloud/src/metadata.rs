//! The instance metadata of the machine: `http://metadata.tencentyun.com/latest/meta-data/`, plain text over plain HTTP,
//! without any credential.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{gateway::Gateway, sts::exposed};

/// Where all of it is.
pub(crate) const PATH: &str = "/latest/meta-data/";
/// What faults and the record of calls name it.
pub(crate) const NAME: &str = "metadata";
/// The life of a key that the machine's role hands out, in seconds.
const LIFE: i64 = 7200;

impl Gateway {
    /// The text under a path below [`PATH`]; none where there is nothing.
    pub(crate) fn metadata(&mut self, path: &str, now: Timestamp) -> Option<String> {
        let machine = self.world.machine.clone()?;
        let interface = format!("network/interfaces/macs/{}", machine.mac);
        if let Some(rest) = path.strip_prefix("cam/security-credentials/") {
            let role = machine.role?;
            return match rest {
                "" => Some(role),
                name if name == role => self.key_of(&role, now),
                _ => None,
            };
        }
        match path {
            "placement/region" => Some(machine.region),
            "mac" => Some(machine.mac),
            "network/interfaces/macs/" => Some(format!("{}/\n", machine.mac)),
            path if *path == format!("{interface}/vpc-id") => Some(machine.vpc_id),
            path if *path == format!("{interface}/subnet-id") => Some(machine.subnet_id),
            _ => None,
        }
    }

    /// A key of the machine's role: the same one until half its life is over.
    fn key_of(&mut self, role: &str, now: Timestamp) -> Option<String> {
        let role = self.world.roles.iter().find(|it| it.name == role)?.clone();
        let half = SignedDuration::from_secs(LIFE / 2);
        let given = self.world.machine_key.clone().and_then(|id| {
            let account = self.world.accounts.iter().find(|account| account.secret_id == id)?;
            account.expires_at.is_some_and(|end| end.duration_since(now) > half).then(|| account.clone())
        });
        let account = match given {
            Some(account) => account,
            None => {
                let account = role.session(now, SignedDuration::from_secs(LIFE), &mut self.world.random);
                self.world.machine_key = Some(account.secret_id.clone());
                self.world.accounts.push(account.clone());
                account
            }
        };
        let end = account.expires_at?;
        let answer = json!({
            "TmpSecretId": account.secret_id,
            "TmpSecretKey": account.secret_key.expose(),
            "ExpiredTime": end.as_second(),
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "Token": exposed(&account),
            "Code": "Success",
        });
        Some(answer.to_string())
    }
}

#[cfg(test)]
mod tests;
