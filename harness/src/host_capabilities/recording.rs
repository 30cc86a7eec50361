//! Records a policy's questions and their answers, as a session that can be replayed (kwctl's form).

use std::sync::{Arc, Mutex, PoisonError};

use super::session::{Recorded, RecordedResponse};
use super::{HostCall, HostCapabilities, asked};

/// Exchanges that are written down at most: a guest may ask without end.
const MOST: usize = 10_000;

/// Passes questions on, and keeps them with their answers.
pub struct Recorder {
    answering: Arc<dyn HostCapabilities>,
    exchanges: Mutex<Vec<Result<Recorded, String>>>,
}

impl Recorder {
    /// Records what `answering` is asked.
    pub fn new(answering: Arc<dyn HostCapabilities>) -> Self {
        Self { answering, exchanges: Mutex::default() }
    }

    /// The session so far.
    ///
    /// # Errors
    /// An exchange that has no form in the file, or there were too many.
    pub fn to_yaml(&self) -> Result<String, String> {
        let exchanges = std::mem::take(&mut *self.lock());
        if exchanges.len() > MOST {
            return Err(format!("the policy asked more than {MOST} times"));
        }
        let exchanges: Result<Vec<Recorded>, String> = exchanges.into_iter().collect();
        serde_saphyr::to_string(&exchanges?).map_err(|error| error.to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Result<Recorded, String>>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostCapabilities for Recorder {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let answer = self.answering.call(call);
        let mut exchanges = self.lock();
        if exchanges.len() <= MOST {
            exchanges.push(exchange(call, &answer));
        }
        answer
    }
}

fn exchange(call: &HostCall<'_>, answer: &Result<Vec<u8>, String>) -> Result<Recorded, String> {
    let response = match answer {
        Ok(payload) => {
            let payload = String::from_utf8(payload.clone());
            let payload = payload.map_err(|_| format!("an answer to {} is not UTF-8", call.operation))?;
            RecordedResponse::Success { payload }
        }
        Err(message) => RecordedResponse::Error { message: message.clone() },
    };
    Ok(Recorded::Exchange { request: asked::recorded(call)?, response })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::host_capabilities::session::Session;
    use crate::host_capabilities::{Certificate, CertificateTrust, Encoding, Question, Verify};

    /// Answers with the operation, or fails with it.
    struct Named;

    impl HostCapabilities for Named {
        fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
            match call.namespace {
                "net" => Err(format!("no {}:\n\tnowhere", call.operation)),
                _ => Ok(format!("{{\"asked\": \"{}\"}}", call.operation).into_bytes()),
            }
        }
    }

    fn questions() -> Vec<(&'static str, &'static str, Question)> {
        let certificate = Certificate { encoding: Encoding::Pem, data: b"-----".to_vec() };
        let trust = CertificateTrust {
            cert: certificate.clone(),
            cert_chain: Some(vec![certificate]),
            not_after: None,
        };
        let parameters = json!({"image": "a", "pub_keys": ["k"], "annotations": null});
        let kind = "SigstorePubKeyVerify".to_owned();
        let verify = Verify { kind, parameters: parameters.as_object().unwrap().clone() };
        vec![
            ("oci", "v1/manifest_digest", Question::Image("registry.example/a:1".to_owned())),
            ("oci", "v1/oci_manifest", Question::Image("a".to_owned())),
            ("oci", "v1/oci_manifest_config", Question::Image("a".to_owned())),
            ("oci", "v2/verify", Question::Verify(verify)),
            ("net", "v1/dns_lookup_host", Question::Host("example.com".to_owned())),
            ("crypto", "v1/is_certificate_trusted", Question::Certificate(trust)),
        ]
    }

    #[test]
    fn what_is_recorded_replays() {
        let recorder = Recorder::new(Arc::new(Named));
        let deadline = Instant::now();
        let calls = questions();
        let calls = calls.into_iter().map(|(namespace, operation, question)| HostCall {
            namespace,
            operation,
            question,
            deadline,
        });
        let calls: Vec<HostCall<'_>> = calls.collect();
        let told: Vec<_> = calls.iter().map(|call| recorder.call(call)).collect();
        let yaml = recorder.to_yaml().unwrap();
        let session = Session::parse(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        for (call, told) in calls.iter().zip(told) {
            assert_eq!(session.call(call), told, "{yaml}");
        }
        assert!(session.call(&calls[0]).unwrap_err().contains("has no exchange 7"), "{yaml}");
        let other = Session::parse(&yaml).unwrap().call(&calls[1]).unwrap_err();
        assert!(other.contains("is !OciManifestDigest") && other.contains("asks !OciManifest "), "{other}");
    }
}
