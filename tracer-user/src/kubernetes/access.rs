//! Where the API is and how to get in: what every pod is given, read anew for each connection because it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use super::limits;
use crate::https;
use crate::https::tls::{self, NoTls};

/// Where kubelet puts what a pod needs to speak to the API.
const GIVEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An address that is no address of an API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no address such as http://127.0.0.1:8001")]
pub struct NoAddress(String);

/// An API without encryption and without asking who one is, as `kubectl proxy` serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
}

impl std::str::FromStr for Proxy {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let wrong = || NoAddress(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_wrong| wrong())?;
        let (Some("http"), Some(host), "" | "/") = (uri.scheme_str(), uri.host(), uri.path()) else {
            return Err(wrong());
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(80) })
    }
}

/// The way to the API.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) host: String,
    pub(super) port: u16,
    /// Where the certificates and the token are; without it there is neither encryption nor a token.
    given: Option<PathBuf>,
}

/// Why there is no way to the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccess {
    /// Nobody told where it is.
    #[error("{0} is not set, so this is no pod of Kubernetes")]
    NoPod(&'static str),
    /// What kubelet gives is not there, or is not what it should be, or this processor cannot encrypt.
    #[error(transparent)]
    NoTls(#[from] NoTls),
}

impl Access {
    /// What the environment of a pod says.
    pub(super) fn of_pod(variable: impl Fn(&str) -> Option<String>) -> Result<Self, NoAccess> {
        Self::given_in(Path::new(GIVEN), variable)
    }

    pub(super) fn given_in(given: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, NoAccess> {
        const HOST: &str = "KUBERNETES_SERVICE_HOST";
        const PORT: &str = "KUBERNETES_SERVICE_PORT";
        let host = variable(HOST).filter(|host| !host.is_empty()).ok_or(NoAccess::NoPod(HOST))?;
        let port = variable(PORT).and_then(|port| port.parse().ok()).ok_or(NoAccess::NoPod(PORT))?;
        tls::processor()?;
        Ok(Self { host, port, given: Some(given.to_owned()) })
    }

    pub(super) fn proxy(proxy: &Proxy) -> Self {
        Self { host: proxy.host.clone(), port: proxy.port, given: None }
    }

    /// As a URL has it.
    pub(super) fn authority(&self) -> String {
        https::authority(&self.host, self.port)
    }

    /// What to say who one is. kubelet replaces it before it expires.
    pub(super) fn token(&self) -> Result<Option<String>, NoAccess> {
        let Some(given) = &self.given else { return Ok(None) };
        let path = given.join("token");
        let token = tls::read(&path, limits::GIVEN_BYTES)?;
        let token = String::from_utf8(token).map_err(|error| tls::wrong(&path, format!("no text: {error}")))?;
        match token.trim() {
            "" => Err(tls::wrong(&path, "empty").into()),
            token => Ok(Some(token.to_owned())),
        }
    }

    /// Whom to trust; `None` without encryption.
    pub(super) fn trust(&self) -> Result<Option<Arc<ClientConfig>>, NoAccess> {
        let Some(given) = &self.given else { return Ok(None) };
        Ok(Some(tls::of_file(&given.join("ca.crt"))?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pod(name: &str) -> Option<String> {
        match name {
            "KUBERNETES_SERVICE_HOST" => Some("10.96.0.1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn what_a_pod_is_given_is_read_anew_each_time() {
        let given = tempfile::tempdir().expect("a directory can be made");
        let access = Access::given_in(given.path(), pod).expect("this processor is new enough");
        assert_eq!(access.authority(), "10.96.0.1:443");
        let missing = access.token().expect_err("it is not there").to_string();
        assert!(missing.contains("/token: No such file"), "{missing}");
        for token in ["one", "two"] {
            fs::write(given.path().join("token"), format!("{token}\n")).expect("there is room");
            assert_eq!(access.token(), Ok(Some(token.to_owned())));
        }
        fs::write(given.path().join("token"), "\n").expect("there is room");
        assert!(access.token().is_err());
        fs::write(given.path().join("ca.crt"), "nothing\n").expect("there is room");
        let wrong = access.trust().expect_err("no certificate").to_string();
        assert!(wrong.ends_with("/ca.crt: it holds no certificate"), "{wrong}");
    }

    #[test]
    fn elsewhere_it_is_said_what_is_missing() {
        let nowhere = Access::of_pod(|_| None).expect_err("no pod").to_string();
        assert_eq!(nowhere, "KUBERNETES_SERVICE_HOST is not set, so this is no pod of Kubernetes");
        let six = |name: &str| if name.ends_with("HOST") { Some("fd00::1".to_owned()) } else { pod(name) };
        assert_eq!(Access::of_pod(six).expect("a pod").authority(), "[fd00::1]:443");
    }

    #[test]
    fn a_proxy_is_named_by_its_address() {
        let proxy = |text: &str| text.parse::<Proxy>().map(|proxy| Access::proxy(&proxy).authority());
        assert_eq!(proxy("http://127.0.0.1:8001").as_deref(), Ok("127.0.0.1:8001"));
        assert_eq!(proxy("http://[::1]:8001/").as_deref(), Ok("[::1]:8001"));
        for wrong in ["https://127.0.0.1:8001", "127.0.0.1:8001", "http://127.0.0.1/api", ""] {
            assert!(proxy(wrong).is_err(), "{wrong}");
        }
    }
}
