//! One request: over a connection of its own, within a time, to the host that was named.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// For one of several addresses of a host.
const CONNECTED_WITHIN: Duration = Duration::from_secs(4);
const REDIRECTS: usize = 3;
/// Names that are looked up at once. A resolver that does not answer holds a thread of those that everybody shares, also
/// when nobody waits for it any more.
const LOOKUPS: usize = 2;
/// Octets of an answer's head.
const HEAD: usize = 64 * 1024;
const AGENT: &str = concat!("offhours/", env!("CARGO_PKG_VERSION"));

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("cannot read certificates from {}: {why}", path.display())]
    Certificates { path: PathBuf, why: String },
    #[error("cannot prepare TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// How a request failed; without the address.
#[derive(Debug)]
pub(super) struct Failure {
    pub code: Option<u16>,
    pub why: String,
    /// Whether it may go better another time.
    pub again: bool,
}

impl Failure {
    fn passing(why: impl Into<String>) -> Self {
        Self {
            code: None,
            why: why.into(),
            again: true,
        }
    }

    fn lasting(code: StatusCode, why: impl Into<String>) -> Self {
        Self {
            code: Some(code.as_u16()),
            why: why.into(),
            again: false,
        }
    }
}

pub(super) struct Client {
    tls: Arc<ClientConfig>,
    lookups: Arc<Semaphore>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Reads the certificates; connects to nothing.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if let Some(path) = ca_file {
            let refused = |why: String| SetupError::Certificates {
                path: path.to_owned(),
                why,
            };
            let own =
                CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
            let mut count = 0;
            for certificate in own {
                let certificate = certificate.map_err(|error| refused(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| refused(error.to_string()))?;
                count += 1;
            }
            if count == 0 {
                return Err(refused("there is none in it".into()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: Arc::new(tls),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        })
    }

    /// Tells it once; the code of the answer, where that is a good one. A text is posted.
    pub async fn tell(&self, url: Url, text: &str, within: Duration) -> Result<u16, Failure> {
        match timeout(within, self.follow(url, text)).await {
            Ok(told) => told,
            Err(_) => Err(Failure::passing(format!(
                "no answer within {} s",
                within.as_secs_f32()
            ))),
        }
    }

    async fn follow(&self, mut url: Url, text: &str) -> Result<u16, Failure> {
        let mut text = text;
        for _ in 0..=REDIRECTS {
            let answer = self.once(&url, text).await?;
            let code = answer.status();
            if code.is_success() {
                return Ok(code.as_u16());
            }
            if !code.is_redirection() {
                let again = code.is_server_error()
                    || matches!(
                        code,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    );
                let refused = Failure::lasting(code, format!("it answered {code}"));
                return Err(Failure { again, ..refused });
            }
            let to = answer.headers().get(header::LOCATION);
            let to = to
                .and_then(|to| to.to_str().ok())
                .and_then(|to| url.join(to).ok());
            let Some(to) = to else {
                return Err(Failure::lasting(
                    code,
                    "it is elsewhere, and does not say where",
                ));
            };
            // Neither from TLS to none, nor to what was not meant to be asked at all.
            if to.scheme() != url.scheme() {
                let why = format!(
                    "it is elsewhere, by {} instead of {}",
                    to.scheme(),
                    url.scheme()
                );
                return Err(Failure::lasting(code, why));
            }
            if !matches!(
                code,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            ) {
                text = "";
            }
            url = to;
        }
        Err(Failure::lasting(
            StatusCode::FOUND,
            format!("it is elsewhere, more than {REDIRECTS} times"),
        ))
    }

    async fn once(
        &self,
        url: &Url,
        text: &str,
    ) -> Result<Response<hyper::body::Incoming>, Failure> {
        let host = url
            .host()
            .ok_or_else(|| Failure::passing("there is no host"))?;
        let port = url.port_or_known_default().unwrap_or(443);
        let stream = self.connect(&host, port).await?;
        let request = request(url, text).map_err(|error| Failure::passing(error.to_string()))?;
        if url.scheme() != "https" {
            return ask(stream, request).await;
        }
        let name = match &host {
            Host::Domain(name) => ServerName::try_from((*name).to_owned())
                .map_err(|error| Failure::passing(error.to_string()))?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(*address)),
        };
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await;
        ask(
            stream.map_err(|error| Failure::passing(format!("TLS: {error}")))?,
            request,
        )
        .await
    }

    async fn connect(&self, host: &Host<&str>, port: u16) -> Result<TcpStream, Failure> {
        let mut last = Failure::passing("its name has no address");
        for address in self.addresses(host, port).await? {
            match timeout(CONNECTED_WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Failure::passing(format!("cannot connect: {error}")),
                Err(_) => last = Failure::passing("cannot connect: no answer"),
            }
        }
        Err(last)
    }

    async fn addresses(&self, host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let name = match host {
            Host::Ipv4(address) => return Ok(vec![(*address, port).into()]),
            Host::Ipv6(address) => return Ok(vec![(*address, port).into()]),
            Host::Domain(name) => (*name).to_owned(),
        };
        let permit = self.lookups.clone().acquire_owned().await;
        let look = move || {
            let _permit = permit;
            (name.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>)
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(Failure::passing(format!("its name is not found: {error}"))),
            Err(error) => Err(Failure::passing(error.to_string())),
        }
    }
}

fn request(url: &Url, text: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let method = if text.is_empty() {
        Method::GET
    } else {
        Method::POST
    };
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, AGENT)
        .header(header::CONNECTION, "close");
    if !text.is_empty() {
        request = request.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    }
    request.body(Full::new(Bytes::from(text.to_owned())))
}

/// Asks, and hears no more than the head of the answer.
async fn ask<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<hyper::body::Incoming>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| Failure::passing(format!("no good answer: {error}"));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD).max_headers(100);
    let (mut asking, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(asking.send_request(request));
    // No task of its own: what is not waited for any more is gone.
    tokio::select! {
        biased;
        answer = &mut answer => answer.map_err(failed),
        ended = &mut connection => match ended {
            Ok(()) => answer.await.map_err(failed),
            Err(error) => Err(failed(error)),
        },
    }
}
