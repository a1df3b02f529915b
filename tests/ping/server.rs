//! A server over real sockets that answers by the first part of the path: well, badly, late or never.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// Long enough for a machine that does a lot beside.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Without the run.
    pub path: String,
    pub run: Option<String>,
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct Heard {
    requests: Mutex<Vec<Request>>,
    more: Notify,
    /// How often each path was asked for.
    times: Mutex<HashMap<String, usize>>,
    /// Connections that are open now, and the most there were.
    open: Mutex<(usize, usize)>,
    /// Told when what hangs may go on.
    released: Notify,
}

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    heard: Arc<Heard>,
}

impl Server {
    pub async fn plain() -> Self {
        Self::start("http", None).await
    }

    /// With the certificate of the lab, which is for `localhost`.
    pub async fn tls(certs: &Path) -> Self {
        let own = CertificateDer::pem_file_iter(certs.join("cert.pem")).unwrap();
        let own = own.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(certs.join("cert.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(own, key)
            .unwrap();
        Self::start("https", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Heard::default());
        let listening = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, heard) = (tls.clone(), listening.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &heard, address).await;
                            }
                        }
                        None => serve(stream, &heard, address).await,
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            heard,
        }
    }

    /// An address there.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.address.port())
    }

    pub fn requests(&self) -> Vec<Request> {
        self.heard.requests.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub async fn wait(&self, count: usize) -> Vec<Request> {
        let waited = async {
            loop {
                let more = self.heard.more.notified();
                let requests = self.requests();
                if requests.len() >= count {
                    return requests;
                }
                more.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        waited.unwrap_or_else(|_| panic!("{count} requests: {:#?}", self.requests()))
    }

    /// The most requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.heard.open.lock().unwrap().1
    }

    /// Answers what hangs.
    pub fn release(&self) {
        self.heard.released.notify_waiters();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, heard: &Heard, own: SocketAddr) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let first = request
        .path
        .split('/')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let times = {
        let mut times = heard.times.lock().unwrap();
        let times = times.entry(request.path.clone()).or_default();
        *times += 1;
        *times
    };
    {
        let mut open = heard.open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }
    let released = heard.released.notified();
    tokio::pin!(released);
    released.as_mut().enable();
    heard.requests.lock().unwrap().push(request);
    heard.more.notify_waiters();
    let elsewhere =
        |code: u16, to: String| format!("HTTP/1.1 {code} Elsewhere\r\nLocation: {to}\r\n");
    let status = |code: u16| format!("HTTP/1.1 {code} Words\r\n");
    let answer = match first.as_str() {
        "hang" => {
            released.await;
            Some(status(200))
        }
        "drop" => None,
        "nonsense" => Some("SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        "endless" => {
            let line = format!("X: {}\r\n", "x".repeat(1000));
            let _ = stream.write_all(status(200).as_bytes()).await;
            while stream.write_all(line.as_bytes()).await.is_ok() {}
            None
        }
        "flaky" if times < 3 => Some(status(503)),
        "moved" => Some(elsewhere(301, "/ok/moved".into())),
        "kept" => Some(elsewhere(307, "../ok/kept".into())),
        "round" => Some(elsewhere(302, "/round/again".into())),
        "clear" => Some(elsewhere(302, format!("http://{own}/ok/clear"))),
        "secure" => Some(elsewhere(302, format!("https://{own}/ok/secure"))),
        "file" => Some(elsewhere(302, "file:///etc/passwd".into())),
        "nowhere" => Some(status(302)),
        code => Some(status(code.parse().unwrap_or(200))),
    };
    if let Some(head) = answer {
        let _ = stream
            .write_all(format!("{head}Content-Length: 2\r\n\r\nOK").as_bytes())
            .await;
        let _ = stream.shutdown().await;
    }
    heard.open.lock().unwrap().0 -= 1;
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(got @ 1..) => bytes.extend_from_slice(&piece[..got]),
            _ => return None,
        }
    };
    let mut words = head.split(' ');
    let method = words.next()?.to_owned();
    let target = words.next()?;
    let (path, run) = match target.split_once("?rid=") {
        Some((path, run)) => (path.to_owned(), Some(run.to_owned())),
        None => (target.to_owned(), None),
    };
    Some(Request {
        method,
        path,
        run,
        head,
        body,
    })
}
