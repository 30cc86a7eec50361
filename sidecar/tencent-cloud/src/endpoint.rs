//! Endpoints of API calls.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use reqwest::Url;

/// The host that serves every region of Tencent Cloud's China site but the financial zones.
const GLOBAL: &str = "tcr.tencentcloudapi.com";

/// A scheme, a host and a port. HTTPS, or HTTP on this machine only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    host: String,
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an endpoint: {reason}")]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

impl Endpoint {
    /// The public endpoint that serves `region`. Financial zones are isolated: the global host
    /// does not know them.
    pub fn of_region(region: &str) -> Result<Self, EndpointError> {
        match region.ends_with("-fsi") {
            true => format!("tcr.{region}.tencentcloudapi.com").parse(),
            false => GLOBAL.parse(),
        }
    }

    /// The URL of requests.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The value of the `Host` header: with the port when it is not the scheme's own.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether calls go over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| EndpointError { text: text.to_owned(), reason };
        let with_scheme = match text.contains("://") {
            true => text.to_owned(),
            false => format!("https://{text}"),
        };
        let url =
            Url::parse(&with_scheme).map_err(|_| error("write it as https://HOST or https://HOST:PORT"))?;
        let Some(name) = url.host_str() else { return Err(error("it has no host")) };
        if !url.username().is_empty() || url.password().is_some() {
            // The text may hold a password, so it is not repeated.
            return Err(EndpointError { text: name.to_owned(), reason: "it must not hold a user name" });
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(error("it must not have a path or a query"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(name) => {}
            "http" => return Err(error("only https is allowed, except on this machine")),
            _ => return Err(error("its scheme must be https")),
        }
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self { url, host })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => host == "localhost",
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.host)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match text.parse::<Endpoint>() {
            Ok(endpoint) => format!("{endpoint}"),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn a_bare_host_is_https() {
        check("tcr.tencentcloudapi.com", expect!["https://tcr.tencentcloudapi.com"]);
        check(
            "https://tcr.internal.tencentcloudapi.com:8443/",
            expect!["https://tcr.internal.tencentcloudapi.com:8443"],
        );
        check("https://tcr.tencentcloudapi.com:443", expect!["https://tcr.tencentcloudapi.com"]);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        check("http://127.0.0.1:8080", expect!["http://127.0.0.1:8080"]);
        check("http://[::1]:8080", expect!["http://[::1]:8080"]);
        check("http://localhost", expect!["http://localhost"]);
        check(
            "http://tcr.tencentcloudapi.com",
            expect![[
                r#"error: "http://tcr.tencentcloudapi.com" is not an endpoint: only https is allowed, except on this machine"#
            ]],
        );
        check(
            "http://127.0.0.1.example.com",
            expect![[
                r#"error: "http://127.0.0.1.example.com" is not an endpoint: only https is allowed, except on this machine"#
            ]],
        );
        check(
            "http://10.0.0.1",
            expect![[
                r#"error: "http://10.0.0.1" is not an endpoint: only https is allowed, except on this machine"#
            ]],
        );
    }

    #[test]
    fn what_is_more_or_less_than_an_endpoint_is_refused() {
        check(
            "",
            expect![[r#"error: "" is not an endpoint: write it as https://HOST or https://HOST:PORT"#]],
        );
        check(
            "https://host/v2",
            expect![[r#"error: "https://host/v2" is not an endpoint: it must not have a path or a query"#]],
        );
        check(
            "https://user:pass@host",
            expect![[r#"error: "host" is not an endpoint: it must not hold a user name"#]],
        );
        check("ftp://host", expect![[r#"error: "ftp://host" is not an endpoint: its scheme must be https"#]]);
    }

    #[test]
    fn financial_zones_have_endpoints_of_their_own() {
        let endpoint = |region| Endpoint::of_region(region).unwrap().to_string();
        assert_eq!(endpoint("ap-guangzhou"), "https://tcr.tencentcloudapi.com");
        assert_eq!(endpoint("ap-shanghai-fsi"), "https://tcr.ap-shanghai-fsi.tencentcloudapi.com");
    }
}
