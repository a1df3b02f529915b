//! Connections and routes, all of them bounded.
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::access::Reader;
use super::{Access, Snapshot, Source, calendar, metrics, page};
use crate::config::HttpConfig;
use crate::core::policy::Name;
use crate::mail::fingerprint;

/// Connections at once, of all listeners; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// For the head of a request to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// From the first to the last byte of a connection.
const CONNECTION_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_SIZE: usize = 16 * 1024;
const HEADERS: usize = 64;
/// After a failed accept (no file descriptors) there is nothing to wait for but time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("will not listen on {address} without [http] token_file: it is no loopback address")]
    Exposed { address: SocketAddr },
}

/// Opens the listeners.
///
/// # Errors
/// When an address cannot be had, or is not a loopback address and there is no token.
pub async fn bind(config: &HttpConfig) -> Result<Vec<TcpListener>, HttpError> {
    let mut listeners = Vec::with_capacity(config.listen.len());
    for &address in &config.listen {
        if config.token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(HttpError::Exposed { address });
        }
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| HttpError::Bind { address, source })?);
    }
    Ok(listeners)
}

/// Serves until `shutdown`, and a moment longer for answers that are under way.
pub async fn serve(
    listeners: Vec<TcpListener>,
    source: Source,
    access: Access,
    shutdown: impl Future<Output = ()>,
) {
    let site = Arc::new(Site { source, access });
    let router = router(&site);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(());
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept(
            listener,
            router.clone(),
            permits.clone(),
            stopped.clone(),
        ));
    }
    drop(stopped);
    shutdown.await;
    drop(stop);
    while loops.join_next().await.is_some() {}
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    // Answers take milliseconds; who reads slower than this has lost its turn.
    let _ = timeout(Duration::from_secs(1), permits.acquire_many(all)).await;
}

async fn accept(
    listener: TcpListener,
    router: Router,
    permits: Arc<Semaphore>,
    mut stopped: watch::Receiver<()>,
) {
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => Some((permit, stream)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    None
                }
            }
        };
        let accepted = tokio::select! {
            // The other end is dropped to stop.
            _ = stopped.changed() => return,
            accepted = next => accepted,
        };
        if let Some((permit, stream)) = accepted {
            let router = router.clone();
            tokio::spawn(async move {
                connection(stream, router).await;
                drop(permit);
            });
        }
    }
}

/// Serves one connection, whatever it is made of.
pub async fn converse<S>(stream: S, source: Source, access: Access)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let site = Arc::new(Site { source, access });
    connection(stream, router(&site)).await;
}

async fn connection<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .keep_alive(false)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What a reader does wrong is its own affair, and not worth a line in the log.
    let _ = timeout(CONNECTION_WITHIN, served).await;
}

struct Site {
    source: Source,
    access: Access,
}

fn router(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/style.css", get(style))
        .route("/status", get(status))
        .route("/calendar.ics", get(shown_in_calendars))
        .route("/metrics", get(measured))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site.clone())
}

/// Refuses what is not meant for us, and tells browsers how little they may do with an answer.
async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let mut response = if site.access.host(request.uri(), request.headers()).is_err() {
        (
            StatusCode::MISDIRECTED_REQUEST,
            "this name is not served here; see [http] hosts\n",
        )
            .into_response()
    } else {
        match site.access.reader(request.headers()) {
            Ok(reader) => {
                request.extensions_mut().insert(reader);
                next.run(request).await
            }
            Err(_) => {
                let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
                (StatusCode::UNAUTHORIZED, challenge, "the token is wrong\n").into_response()
            }
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        // What an answer says itself about how long it may be kept holds.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

type Asker = axum::Extension<Reader>;
type Shared = State<Arc<Site>>;

/// The loop did not answer.
fn silent() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the daemon does not answer\n",
    )
        .into_response()
}

async fn index(State(site): Shared, asker: Asker) -> Response {
    let Some(snapshot) = site.source.ask().await else {
        return silent();
    };
    match page::render(&shown(&snapshot, asker.0)) {
        Ok(html) => axum::response::Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot make the page");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page cannot be made\n",
            )
                .into_response()
        }
    }
}

async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        page::STYLE,
    )
        .into_response()
}

async fn status(State(site): Shared, asker: Asker) -> Response {
    match site.source.ask().await {
        Some(snapshot) => axum::Json(shown(&snapshot, asker.0)).into_response(),
        None => silent(),
    }
}

async fn measured(State(site): Shared, headers: HeaderMap) -> Response {
    let Some(snapshot) = site.source.ask().await else {
        return silent();
    };
    match metrics::render(&snapshot) {
        Ok(text) => {
            let accepted = headers
                .get(header::ACCEPT)
                .and_then(|value| value.to_str().ok());
            let (kind, text) = match accepted {
                Some(accepted) if accepted.contains("application/openmetrics-text") => {
                    (metrics::CONTENT_TYPE, text)
                }
                _ => (metrics::PLAIN_CONTENT_TYPE, metrics::plain(&text)),
            };
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn shown_in_calendars(
    State(site): Shared,
    asker: Asker,
    Query(asked): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let all = |key: &'static str| {
        let fits = move |(k, value): &'_ (String, String)| (k == key).then(|| value.clone());
        asked.iter().filter_map(fits).collect::<Vec<String>>()
    };
    let tokens = all("token");
    let Ok(reader) = site
        .access
        .calendar_reader(asker.0, tokens.iter().map(String::as_str))
    else {
        return (StatusCode::UNAUTHORIZED, "the token is wrong\n").into_response();
    };
    let Some(dated) = site.source.ask_calendar().await else {
        return silent();
    };
    let apps = all("app");
    // What was asked for is not said back to whoever made somebody ask.
    if !apps.iter().all(|app| dated.has(app)) {
        return (StatusCode::NOT_FOUND, "there is no app of that name\n").into_response();
    }
    let apps: Vec<Name> = apps.into_iter().map(Name::from).collect();
    let text = dated.render(&apps, reader);
    let tag = format!("\"{}-{:x}\"", fingerprint(&text), text.len());
    let told = [
        (header::ETAG, tag.clone()),
        // Kept, and asked for again each time.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "Authorization".to_owned()),
    ];
    if has(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    let kind = [(header::CONTENT_TYPE, calendar::CONTENT_TYPE)];
    (told, kind, text).into_response()
}

/// Whether who asks says that they have it already (RFC 9110, 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}

async fn livez(State(site): Shared) -> Response {
    match site.source.ask().await {
        Some(_) => "alive\n".into_response(),
        None => silent(),
    }
}

async fn readyz(State(site): Shared) -> Response {
    let Some(snapshot) = site.source.ask().await else {
        return silent();
    };
    let not_yet = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if !snapshot.recovered {
        not_yet("recovering\n")
    } else if !snapshot.status.state.ok {
        not_yet("the state cannot be written\n")
    } else {
        "ready\n".into_response()
    }
}

fn shown(snapshot: &Snapshot, reader: Reader) -> crate::core::report::Status {
    let status = snapshot.status.clone();
    match reader {
        Reader::Known => status,
        Reader::Unknown => status.public(),
    }
}
