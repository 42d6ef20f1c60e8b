//! TLS to the server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::trust::{CertificateJudge, ServerCheck, TrustError, provider};

/// The protocol inside, which a server wants to hear where TLS comes first.
const ALPN: &[u8] = b"postgresql";

/// Makes the TLS of each connection.
#[derive(Clone)]
pub(super) struct TlsMaker(TlsConnector);

/// The TLS of one connection, before its handshake.
pub(super) struct TlsHandshake {
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
        let judge = CertificateJudge::new(check);
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
    type TlsConnect = TlsHandshake;
    type Error = HandshakeError;

    fn make_tls_connect(&mut self, host: &str) -> Result<TlsHandshake, HandshakeError> {
        Ok(TlsHandshake { connector: self.0.clone(), host: host.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for TlsHandshake {
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
