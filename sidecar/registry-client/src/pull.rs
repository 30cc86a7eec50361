//! Asks a registry whether an image can be pulled, by the requests that a container runtime makes before the
//! first layer.

use reqwest::header::ACCEPT;
use reqwest::{RequestBuilder, Url};
use serde::Serialize;
use tcr::docker_config::Login;
use tcr::image_ref::ImageRef;
use tcr::registry_host::RegistryHost;

use super::challenge::Challenge;
use super::check::{Checker, DEADLINE, Unknown, base, token};

/// The media types of manifests that a container runtime accepts.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// A registry's answer about pulling an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", content = "reason", rename_all = "camelCase")]
pub enum PullAnswer {
    /// The image exists and may be pulled.
    Pulls,
    /// The registry refuses the credential.
    Refused(String),
    /// The registry accepts the credential, or the anonymous request, but allows no pull of this image.
    NotAllowed(String),
    /// The registry has no such image, or hides it from this credential.
    NotFound(String),
    /// The registry could not be asked, or its answer has no meaning.
    Unknown(String),
}

impl Checker {
    /// Whether the image can be pulled with this credential, or with none. Nothing is pulled.
    pub async fn pull(&self, image: &ImageRef, login: Option<&Login>) -> PullAnswer {
        let asked = tokio::time::timeout(DEADLINE, self.ask_for_image(image, login)).await;
        match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(Unknown(reason))) => PullAnswer::Unknown(reason),
            Err(_) => PullAnswer::Unknown(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn ask_for_image(&self, image: &ImageRef, login: Option<&Login>) -> Result<PullAnswer, Unknown> {
        let ImageRef { host, repository, .. } = image;
        let url = base(host)?;
        let manifest = self.http.head(manifest(&url, image)?).header(ACCEPT, MANIFESTS);
        match self.challenge(&url).await? {
            None => self.ask_for_manifest(host, manifest).await,
            Some(Challenge::Basic) => {
                let Some(Login { username, password, .. }) = login else {
                    return Ok(PullAnswer::NotAllowed(format!("{host} asks for a credential")));
                };
                let shown = |request: RequestBuilder| request.basic_auth(username, Some(password.expose()));
                let status = self.send(shown(self.http.get(url))).await?.status().as_u16();
                if matches!(status, 401 | 403) {
                    return Ok(PullAnswer::Refused(format!("{host} refuses it with HTTP {status}")));
                }
                self.ask_for_manifest(host, shown(manifest)).await
            }
            Some(Challenge::Bearer { realm, service }) => {
                let realm = self.realm(&url, &realm, login.is_some())?;
                let scope = format!("repository:{repository}:pull");
                let login = login.map(|login| (login.username.as_str(), &login.password));
                let ask = async |scope| self.ask_for_token(&realm, service.as_deref(), scope, login).await;
                let answer = ask(Some(&scope)).await?;
                match answer.status().as_u16() {
                    200 => {
                        let token = token(answer).await?;
                        self.ask_for_manifest(host, manifest.bearer_auth(token.expose())).await
                    }
                    status @ (401 | 403) if login.is_none() => {
                        Ok(PullAnswer::NotAllowed(format!("{host} asks for a credential, by HTTP {status}")))
                    }
                    // A service may refuse the scope as a whole: without a scope, its answer is about the
                    // credential.
                    status @ (401 | 403) => match ask(None).await?.status().as_u16() {
                        200 => Ok(PullAnswer::NotAllowed(format!(
                            "{host} lets it in, but does not let it pull {repository}, by HTTP {status}"
                        ))),
                        401 | 403 => Ok(PullAnswer::Refused(format!("{host} refuses it with HTTP {status}"))),
                        other => Err(Unknown(format!("its token service answers HTTP {other}"))),
                    },
                    status => Err(Unknown(format!("its token service answers HTTP {status}"))),
                }
            }
        }
    }

    async fn ask_for_manifest(
        &self,
        host: &RegistryHost,
        request: RequestBuilder,
    ) -> Result<PullAnswer, Unknown> {
        Ok(match self.send(request).await?.status().as_u16() {
            200 => PullAnswer::Pulls,
            404 => PullAnswer::NotFound(format!("{host} has no such image, or does not show it")),
            status @ (401 | 403) => {
                PullAnswer::NotAllowed(format!("{host} does not let it pull this image, by HTTP {status}"))
            }
            status => return Err(Unknown(format!("it answers HTTP {status} when asked for the image"))),
        })
    }
}

/// The URL of the image's manifest. A digest takes precedence over a tag.
fn manifest(base: &Url, image: &ImageRef) -> Result<Url, Unknown> {
    let reference = image.digest.as_ref().or(image.tag.as_ref()).map_or("latest", String::as_str);
    base.join(&format!("{}/manifests/{reference}", image.repository))
        .map_err(|error| Unknown(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_asked_for_by_digest_when_there_is_one() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let base = Url::parse("https://demo.tencentcloudcr.com/v2/").unwrap();
        for (image, path) in [
            ("demo.tencentcloudcr.com/team/app", "team/app/manifests/latest".to_owned()),
            ("demo.tencentcloudcr.com/team/app:v1", "team/app/manifests/v1".to_owned()),
            (
                &format!("demo.tencentcloudcr.com/team/app:v1@{digest}"),
                format!("team/app/manifests/{digest}"),
            ),
        ] {
            let url = manifest(&base, &image.parse().unwrap()).map_err(|Unknown(it)| it).unwrap();
            assert_eq!(url.path(), format!("/v2/{path}"));
        }
    }
}
