//! TLS as a client: whom to trust, and what is wrong with who is not to be trusted.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::printable;

/// The most that is read of a file with certificates, bytes. What distributions ship is a quarter of a MiB.
const FILE_BYTES: u64 = 4 << 20;

/// Why there is no TLS. Safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTls {
    /// A file is not there, or is not what it should be.
    #[error("{path}: {what}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// This machine has no certificates of authorities.
    #[error("this system has no certificates of authorities (Debian's ca-certificates){0}")]
    NoAuthorities(String),
    /// The processor lacks what encryption is written for.
    #[error("this processor is too old for the encryption that is built in ({0})")]
    Processor(&'static str),
    /// The other side is not who it should be, or does not speak as it should.
    #[error("{0}")]
    Peer(String),
}

/// Trusts whom the authorities in a file vouch for: their certificates, as PEM. It is read now.
pub(crate) fn of_file(path: &Path) -> Result<Arc<ClientConfig>, NoTls> {
    processor()?;
    let wrong = |what: String| wrong(path, what);
    let text = read(path, FILE_BYTES)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(format!("no certificates: {error:?}")))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    client(roots)
}

/// Trusts whom this machine trusts: where its distribution has that, or `SSL_CERT_FILE` and `SSL_CERT_DIR` say. Read now.
pub(crate) fn of_system() -> Result<Arc<ClientConfig>, NoTls> {
    processor()?;
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // a few that nobody can read are no reason to trust none
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known == 0 {
        let why = found.errors.first().map(|error| format!(": {}", printable::text(&error.to_string())));
        return Err(NoTls::NoAuthorities(why.unwrap_or_default()));
    }
    client(roots)
}

fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, NoTls> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls_graviola::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| NoTls::Peer(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // what is spoken: who has but HTTP/2 says so at once
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Speaks TLS with who is at the other end.
pub(super) async fn connect(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NoTls> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| NoTls::Peer(format!("{}: {error}", printable::text(host))))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| NoTls::Peer(explained(&error)))
}

/// What is wrong with the other side, in words for whoever can mend it.
fn explained(error: &io::Error) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return printable::text(&error.to_string()).into_owned();
    };
    let told = match tls {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is of an unknown authority: that of none that is trusted here".to_owned()
        }
        // made anew under its old name, as self-made ones are
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            "its certificate is of an unknown authority, a namesake of one that is trusted here".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired, or the clock here is wrong".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet, or the clock here is wrong".to_owned(),
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            // DnsName("collector.example"), IpAddress(10.0.0.1)
            let plain = |name: &String| {
                let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
                inner.unwrap_or(name).trim_matches('"').to_owned()
            };
            let presented: Vec<_> = presented.iter().map(plain).collect();
            let presented = if presented.is_empty() { "nobody".to_owned() } else { presented.join(", ") };
            format!("its certificate is not for {}, but for {presented}", expected.to_str())
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there".to_owned(),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it wants a certificate of its clients, and there is none to show".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "it does not speak HTTP/1.1 there".to_owned(),
        other => other.to_string(),
    };
    printable::text(&told).into_owned()
}

/// What a file holds, if that is not too much.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, NoTls> {
    let size = fs::metadata(path).map_err(|error| wrong(path, error.to_string()))?.len();
    if size > limit {
        return Err(wrong(path, format!("too long: {size} bytes")));
    }
    fs::read(path).map_err(|error| wrong(path, error.to_string()))
}

pub(crate) fn wrong(path: &Path, what: impl Into<String>) -> NoTls {
    NoTls::File { path: path.display().to_string(), what: what.into() }
}

/// Whether this processor can do what the encryption is written for: it would end the program otherwise.
pub(crate) fn processor() -> Result<(), NoTls> {
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
    if there { Ok(()) } else { Err(NoTls::Processor(wanted)) }
}
