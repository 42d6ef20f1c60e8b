//! Certificate and key from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Reason why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind that is wanted.
    #[error("cannot read {what} from {path}: {problem}")]
    Pem {
        /// A certificate or a key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: String,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("{cert} and {key} cannot be used together: {source}")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
}

/// Reads the chain (the server's own certificate first) and the private key.
pub(super) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable =
        |what, path: &Path, problem: String| TlsError::Pem { what, path: path.to_owned(), problem };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("a certificate", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("a certificate", cert, "there is none in it".to_owned()));
    }
    // The error of a key file is not repeated: it could hold a part of the key.
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        let problem = match error {
            rustls::pki_types::pem::Error::Io(error) => error.to_string(),
            _ => "expected a private key in PEM".to_owned(),
        };
        unreadable("a private key", key, problem)
    })?;
    let unusable =
        |source| TlsError::Unusable { cert: cert.to_owned(), key: key.to_owned(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The handshake as an I/O error, which is all that a log line needs.
pub(super) async fn handshake(
    acceptor: &TlsAcceptor,
    stream: tokio::net::TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<tokio::net::TcpStream>> {
    acceptor.accept(stream).await
}
