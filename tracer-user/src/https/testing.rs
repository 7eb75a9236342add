//! Who speaks TLS, for tests.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// An authority.
pub(crate) const CA: &[u8] = include_bytes!("fixtures/ca.crt");
/// Another one.
pub(crate) const OTHER: &[u8] = include_bytes!("fixtures/other.crt");
/// What the first says of 127.0.0.1: RSA, as kube-apiserver has it.
pub(crate) const SERVER: &[u8] = include_bytes!("fixtures/server.crt");
/// What it said of it long ago.
pub(crate) const EXPIRED: &[u8] = include_bytes!("fixtures/expired.crt");

/// A server that shows a certificate.
pub(crate) fn server(certificate: &[u8], versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).expect("a key");
    let provider = Arc::new(rustls_graviola::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    Arc::new(config)
}
