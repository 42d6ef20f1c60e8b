//! TLS to the server, and what is asked of its certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// The protocol inside, which a server wants to hear where TLS comes first.
const ALPN: &[u8] = b"postgresql";

/// What is asked of a server's certificate.
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    built.map_err(|error| TrustError::SetUp(error.to_string()))
}

/// Asks of a certificate what its check says.
#[derive(Debug)]
struct CertificateJudge {
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

/// Makes the TLS of each connection.
#[derive(Clone)]
pub(super) struct TlsMaker(TlsConnector);

/// The TLS of one connection, before its handshake.
pub(super) struct Handshake {
    connector: TlsConnector,
    host: String,
}

/// A connection with TLS.
pub(super) struct TlsSession<S>(tokio_rustls::client::TlsStream<S>);

/// A handshake failed; another one will, too.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0:?} is no name that a certificate can have")]
    Host(String),
    #[error("{source}; {mend}")]
    Certificate { source: io::Error, mend: &'static str },
    #[error("{0}")]
    Other(io::Error),
}

impl TlsMaker {
    pub(super) fn new(check: ServerCheck) -> Result<Self, TrustError> {
        let judge = CertificateJudge { check, provider: provider() };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::SetUp(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for TlsMaker {
    type Stream = TlsSession<S>;
    type TlsConnect = Handshake;
    type Error = HandshakeError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, HandshakeError> {
        Ok(Handshake { connector: self.0.clone(), host: host.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = TlsSession<S>;
    type Error = HandshakeError;
    type Future = Pin<Box<dyn Future<Output = Result<TlsSession<S>, HandshakeError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Ok(name) = ServerName::try_from(self.host.clone()) else {
                return Err(HandshakeError::Host(self.host));
            };
            self.connector.connect(name, stream).await.map(TlsSession).map_err(explain)
        })
    }
}

fn explain(error: io::Error) -> HandshakeError {
    use CertificateError::{BadSignature, Expired, ExpiredContext, NotValidForName};
    use CertificateError::{
        NotValidForNameContext, NotValidYet, NotValidYetContext, UnknownIssuer,
    };

    let found = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(problem)) = found else {
        return HandshakeError::Other(error);
    };
    let mend = match problem {
        // Another CA of the same name is one of a bad signature.
        UnknownIssuer | BadSignature => {
            "sslrootcert=FILE in the database's URL names the certificate of the CA that signed it"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "the database's URL has to name the host as the certificate does, or say \
             sslmode=verify-ca"
        }
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "give the server a new certificate, or set this machine's clock"
        }
        _ => "give the server another certificate, which is none of a CA",
    };
    HandshakeError::Certificate { source: error, mend }
}

impl<S> TlsSession<S> {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut tokio_rustls::client::TlsStream<S>>
    where
        S: Unpin,
    {
        Pin::new(&mut self.get_mut().0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for TlsSession<S> {
    /// None: the certificate, where it is looked at, says enough.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsSession<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsSession<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(context)
    }
}
