//! Where the API is and how to get in: what every pod is given, read anew for each connection because it changes.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::limits;

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
    /// What kubelet gives is not there, or is not what it should be.
    #[error("{path}: {what}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The processor lacks what encryption is written for.
    #[error("this processor is too old for the encryption that is built in ({0})")]
    Processor(&'static str),
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
        processor()?;
        Ok(Self { host, port, given: Some(given.to_owned()) })
    }

    pub(super) fn proxy(proxy: &Proxy) -> Self {
        Self { host: proxy.host.clone(), port: proxy.port, given: None }
    }

    /// As a URL has it.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// What to say who one is. kubelet replaces it before it expires.
    pub(super) fn token(&self) -> Result<Option<String>, NoAccess> {
        let Some(given) = &self.given else { return Ok(None) };
        let path = given.join("token");
        let token = read(&path)?;
        let token = String::from_utf8(token).map_err(|error| wrong(&path, format!("no text: {error}")))?;
        match token.trim() {
            "" => Err(wrong(&path, "empty".to_owned())),
            token => Ok(Some(token.to_owned())),
        }
    }

    /// Whom to trust, and by what name; `None` without encryption.
    pub(super) fn trust(&self) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, NoAccess> {
        let Some(given) = &self.given else { return Ok(None) };
        let path = given.join("ca.crt");
        let text = read(&path)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(&path, format!("no certificates: {error:?}")))?;
            roots.add(certificate).map_err(|error| wrong(&path, error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong(&path, "it holds no certificate".to_owned()));
        }
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&path, error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = match self.host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(self.host.clone())
                .map_err(|error| NoAccess::File { path: self.host.clone(), what: error.to_string() })?,
        };
        Ok(Some((Arc::new(config), name)))
    }
}

fn wrong(path: &Path, what: String) -> NoAccess {
    NoAccess::File { path: path.display().to_string(), what }
}

fn read(path: &Path) -> Result<Vec<u8>, NoAccess> {
    let size = fs::metadata(path).map_err(|error| wrong(path, error.to_string()))?.len();
    if size > limits::GIVEN_BYTES {
        return Err(wrong(path, format!("too long: {size} bytes")));
    }
    fs::read(path).map_err(|error| wrong(path, error.to_string()))
}

/// Whether this processor can do what the encryption is written for: it would end the program otherwise.
fn processor() -> Result<(), NoAccess> {
    #[cfg(target_arch = "x86_64")]
    let (wanted, there) = (
        "it wants AES, PCLMULQDQ, BMI1, ADX and AVX2",
        is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("adx")
            && is_x86_feature_detected!("avx")
            && is_x86_feature_detected!("avx2"),
    );
    #[cfg(target_arch = "aarch64")]
    let (wanted, there) = (
        "it wants NEON, AES, PMULL and SHA-2",
        std::arch::is_aarch64_feature_detected!("neon")
            && std::arch::is_aarch64_feature_detected!("aes")
            && std::arch::is_aarch64_feature_detected!("pmull")
            && std::arch::is_aarch64_feature_detected!("sha2"),
    );
    if there { Ok(()) } else { Err(NoAccess::Processor(wanted)) }
}

#[cfg(test)]
mod tests {
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
