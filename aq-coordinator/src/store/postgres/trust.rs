//! The checks of the server's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The check of a server's certificate.
#[derive(Debug)]
pub(super) enum ServerCheck {
    /// Nothing: whoever listens only finds nothing, and whoever answers in its place is believed.
    Nothing,
    /// One of these CAs signed it, for whatever name.
    Issuer(Arc<WebPkiServerVerifier>),
    /// One of these CAs signed it for the host of the URL.
    Name(Arc<WebPkiServerVerifier>),
}

/// There is nothing to hold a certificate against.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    #[error("sslrootcert: {}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(
        "this system has no certificates of CAs: install ca-certificates, or give that of the \
         database's CA by sslrootcert=FILE"
    )]
    NoSystem,
    #[error("cannot set up TLS: {0}")]
    SetUp(String),
}

impl ServerCheck {
    /// The CAs of a PEM file, for any name.
    pub(super) fn issuer_by(file: &Path) -> Result<Self, TrustError> {
        verifier(roots_of(file)?).map(Self::Issuer)
    }

    /// The CAs of a PEM file, for the host's name.
    pub(super) fn name_by(file: &Path) -> Result<Self, TrustError> {
        verifier(roots_of(file)?).map(Self::Name)
    }

    /// The CAs of this system, or of `SSL_CERT_FILE`, for the host's name.
    pub(super) fn name_by_system() -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TrustError::NoSystem);
        }
        verifier(roots).map(Self::Name)
    }
}

fn roots_of(file: &Path) -> Result<RootCertStore, TrustError> {
    use rustls::pki_types::pem::Error;

    // What is in the file is not repeated: by mistake it could be a key.
    let unusable =
        |problem: &str| TrustError::File { path: file.to_owned(), problem: problem.to_owned() };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found = found.map_err(|error| match error {
        Error::Io(error) => unusable(&error.to_string()),
        _ => unusable("expected certificates of CAs in PEM"),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|_| unusable("it has a certificate that is broken"))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is no certificate in PEM in it"));
    }
    Ok(roots)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    built.map_err(|error| TrustError::SetUp(error.to_string()))
}

/// Asks of a certificate what its check says.
#[derive(Debug)]
pub(super) struct CertificateJudge {
    check: ServerCheck,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for CertificateJudge {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        use rustls::Error::InvalidCertificate;

        match &self.check {
            ServerCheck::Nothing => Ok(ServerCertVerified::assertion()),
            ServerCheck::Name(verifier) => {
                verifier.verify_server_cert(server, chain, name, ocsp, now)
            }
            // The name comes last: what is wrong there only has a good chain.
            ServerCheck::Issuer(verifier) => {
                match verifier.verify_server_cert(server, chain, name, ocsp, now) {
                    Err(InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                        Ok(ServerCertVerified::assertion())
                    }
                    verified => verified,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge_signature(|algorithms| {
            verify_tls12_signature(message, certificate, signed, algorithms)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge_signature(|algorithms| {
            verify_tls13_signature(message, certificate, signed, algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl CertificateJudge {
    pub(super) fn new(check: ServerCheck) -> Self {
        Self { check, provider: provider() }
    }

    /// A certificate that nobody looks at may be of any kind, and its signature says nothing.
    fn judge_signature(
        &self,
        verify: impl FnOnce(
            &rustls::crypto::WebPkiSupportedAlgorithms,
        ) -> Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.check {
            ServerCheck::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => verify(&self.provider.signature_verification_algorithms),
        }
    }
}
