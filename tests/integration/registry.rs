//! A real private registry that asks the cloud's double who may pull: credentials that signed API calls obtained, used
//! by skopeo.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use registry_client::{Checker, Verdict};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use support::registry::{Credential, Options};
use support::{Image, Output, Registry, Run};
use tcr::image_pull_secret::CredentialKind::{self, Longterm, Temp};
use tcr_cloud::{Account, Cloud, Config, TokenRefusal};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::instance_token::IssuedToken;

const INSTANCE: &str = "tcr-demo0001";
const REGION: &str = "ap-guangzhou";
const DOMAINS: [&str; 2] = ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"];
const IMAGE: &str = "team/app:v1";

/// An instance whose registry has one image.
struct World {
    registry: Registry,
    cloud: Cloud,
    run: Run,
}

impl World {
    async fn start() -> Result<Self> {
        let config = Config { accounts: vec![Account::demo(), Account::demo_pusher()], ..Config::demo() };
        let cloud = Cloud::start(config)?;
        let auth = cloud.token_service(INSTANCE)?;
        let run = Run::new()?;
        let registry = Registry::start(&run, Options::new(&DOMAINS, auth)).await?;
        let world = Self { registry, cloud, run };
        world.push(IMAGE, &credential(&world.mint_as(Account::demo_pusher(), Longterm).await?)).await?;
        world.cloud.clear_token_requests();
        Ok(world)
    }

    fn client(&self, account: Account) -> Result<Client> {
        // Every test of the process installs the same one; the first wins.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = Chain::over(move |name| account.variable(name));
        let settings = Settings { endpoint: Some(self.cloud.url().parse()?), ..Settings::default() };
        Ok(Client::new(settings, chain)?)
    }

    async fn mint(&self, kind: CredentialKind) -> Result<IssuedToken> {
        self.mint_as(Account::demo(), kind).await
    }

    async fn mint_as(&self, account: Account, kind: CredentialKind) -> Result<IssuedToken> {
        Ok(self.client(account)?.create_instance_token(REGION, INSTANCE, kind, "registry test").await?)
    }

    async fn push(&self, name: &str, credential: &Credential) -> Result<()> {
        let image = Image::of_program(&self.run.folder().join("image.tar"), b"a program")?;
        self.registry.push_image(&self.run, name, &image, credential).await
    }

    async fn inspect(&self, credential: Option<&Credential>) -> Result<Output> {
        self.registry.inspect_image(&self.run, IMAGE, credential).await
    }

    async fn pulls(&self, token: &IssuedToken) -> Result<()> {
        self.inspect(Some(&credential(token))).await?.checked()?;
        Ok(())
    }

    /// Fails unless the registry turns these away, and the token service for that reason.
    async fn refuses(&self, credential: Option<&Credential>, reason: TokenRefusal) -> Result<()> {
        let output = self.inspect(credential).await?;
        ensure!(!output.success, "it pulled: {}", output.stdout);
        ensure!(
            output.stderr.contains("unauthorized") || output.stderr.contains("invalid username/password"),
            "{}",
            output.stderr
        );
        let requests = self.cloud.token_requests();
        let last = requests.last().context("nobody asked the token service")?;
        ensure!(last.refusal == Some(reason), "{last:?}");
        Ok(())
    }
}

fn credential(token: &IssuedToken) -> Credential {
    Credential { username: token.username.clone(), password: token.token.expose().to_owned() }
}

#[tokio::test]
async fn a_minted_credential_pulls_the_image() -> Result<()> {
    let world = World::start().await?;
    let token = world.mint(Longterm).await?;
    let description = world.inspect(Some(&credential(&token))).await?.checked()?;
    ensure!(description.contains("\"Os\": \"linux\""), "{description}");
    let archive = world.run.folder().join("pulled.tar");
    world.registry.pull_image(&world.run, IMAGE, &archive, Some(&credential(&token))).await?.checked()?;
    ensure!(archive.metadata()?.len() > 0, "the archive is empty");

    let requests = world.cloud.token_requests();
    ensure!(!requests.is_empty(), "nobody asked the token service");
    for request in &requests {
        assert_eq!((request.refusal, request.granted_to("pull")), (None, vec!["team/app"]));
        assert_eq!(request.token_id, token.token_id, "who pulled");
    }
    let seen = format!("{requests:?}{}", world.registry.process().log()?);
    assert!(!seen.contains(token.token.expose()), "the password stands in a record or the registry's log");
    Ok(())
}

#[tokio::test]
async fn nobody_pulls_without_a_credential_of_the_instance() -> Result<()> {
    let world = World::start().await?;
    world.refuses(None, TokenRefusal::NoCredential).await?;
    let mut wrong = credential(&world.mint(Longterm).await?);
    wrong.password.push('x');
    world.refuses(Some(&wrong), TokenRefusal::UnknownCredential).await
}

#[tokio::test]
async fn a_revoked_credential_is_refused_at_once_and_another_is_not() -> Result<()> {
    let world = World::start().await?;
    let (token, other) = (world.mint(Longterm).await?, world.mint(Longterm).await?);
    world.pulls(&token).await?;
    let id = token.token_id.as_deref().context("a long-term credential has an id")?;
    world.client(Account::demo())?.delete_instance_token(REGION, INSTANCE, id).await?;
    world.refuses(Some(&credential(&token)), TokenRefusal::Deleted).await?;
    world.pulls(&other).await
}

#[tokio::test]
async fn a_credential_that_is_switched_off_is_refused_until_it_is_on_again() -> Result<()> {
    let world = World::start().await?;
    let token = world.mint(Longterm).await?;
    let id = token.token_id.as_deref().context("a long-term credential has an id")?;
    world.client(Account::demo())?.enable_instance_token(REGION, INSTANCE, id, false).await?;
    world.refuses(Some(&credential(&token)), TokenRefusal::Disabled).await?;
    world.client(Account::demo())?.enable_instance_token(REGION, INSTANCE, id, true).await?;
    world.pulls(&token).await
}

#[tokio::test]
async fn a_temporary_credential_is_refused_after_its_hour() -> Result<()> {
    let world = World::start().await?;
    let token = world.mint(Temp).await?;
    world.pulls(&token).await?;
    world.cloud.advance(Duration::from_secs(3600));
    world.refuses(Some(&credential(&token)), TokenRefusal::Expired).await?;
    // The registry's clock is another: what is minted now is good there too.
    world.pulls(&world.mint(Temp).await?).await
}

#[tokio::test]
async fn a_credential_that_may_only_pull_cannot_push() -> Result<()> {
    let world = World::start().await?;
    let token = world.mint(Longterm).await?;
    let error = world.push("team/other:v1", &credential(&token)).await.unwrap_err().to_string();
    ensure!(error.contains("denied") || error.contains("unauthorized"), "{error}");
    let pusher = credential(&world.mint_as(Account::demo_pusher(), Longterm).await?);
    let absent = world.registry.inspect_image(&world.run, "team/other:v1", Some(&pusher)).await?;
    ensure!(!absent.success && absent.stderr.contains("unknown"), "it was pushed: {absent:?}");
    world.push("team/other:v1", &pusher).await?;
    world.registry.inspect_image(&world.run, "team/other:v1", Some(&credential(&token))).await?.checked()?;
    Ok(())
}

impl World {
    /// What the controller learns when it asks the registry, with the flags of its settings.
    async fn check(&self, token: &IssuedToken) -> Result<Verdict> {
        let settings = registry_client::Settings {
            ca: Some(self.registry.ca().into()),
            realms: vec![self.cloud.url().parse()?],
            addresses: [(DOMAINS[0].parse()?, self.registry.address())].into(),
        };
        let checker = Checker::new(settings).map_err(anyhow::Error::msg)?;
        Ok(checker.check(&[DOMAINS[0].parse()?], &token.username, &token.token).await)
    }
}

#[tokio::test]
async fn the_controller_learns_what_the_registry_says_to_a_credential() -> Result<()> {
    let world = World::start().await?;
    for kind in [Longterm, Temp] {
        let verdict = world.check(&world.mint(kind).await?).await?;
        assert_eq!(verdict, Verdict::Accepted { can_push: false }, "{kind:?}");
    }
    let verdict = world.check(&world.mint_as(Account::demo_pusher(), Longterm).await?).await?;
    assert_eq!(verdict, Verdict::Accepted { can_push: true });

    let token = world.mint(Longterm).await?;
    let id = token.token_id.as_deref().context("a long-term credential has an id")?;
    world.client(Account::demo())?.enable_instance_token(REGION, INSTANCE, id, false).await?;
    let refused = Verdict::Refused { reason: format!("{} refuses it with HTTP 401", DOMAINS[0]) };
    assert_eq!(world.check(&token).await?, refused);
    let temp = world.mint(Temp).await?;
    world.cloud.advance(Duration::from_secs(3600));
    assert_eq!(world.check(&temp).await?, refused);

    world.cloud.update_instance(INSTANCE, |instance| instance.status = "Isolate".to_owned());
    let verdict = world.check(&token).await?;
    assert!(matches!(&verdict, Verdict::Unknown { reason } if reason.contains("HTTP 503")), "{verdict:?}");
    Ok(())
}

#[tokio::test]
async fn the_certificate_is_good_for_the_domains_and_no_others() -> Result<()> {
    let world = World::start().await?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(world.registry.ca().as_bytes())?)?;
    let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let shakes_hands = |domain: &str| -> Result<()> {
        let mut connection =
            ClientConnection::new(Arc::clone(&config), ServerName::try_from(domain.to_owned())?)?;
        let mut stream = TcpStream::connect(world.registry.address())?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(())
    };
    for domain in DOMAINS {
        shakes_hands(domain).with_context(|| domain.to_owned())?;
    }
    let error = shakes_hands("other.tencentcloudcr.com").unwrap_err();
    ensure!(format!("{error:#}").contains("not valid for name"), "{error:#}");
    Ok(())
}
