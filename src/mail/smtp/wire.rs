//! The stream below the protocol, with a bound on what the other side may send.
//!
//! lettre reads a line however long it is, and keeps what came after the answer to STARTTLS as if it had come
//! encrypted. [`Bounded`] takes both away: so many bytes between two writes, and where STARTTLS follows never more
//! than one line at a time.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

#[allow(deprecated)]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::{
    self,
    client::{AsyncTokioStream, TlsParameters},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What the server may say between two of our writes: a greeting, an answer, a certificate chain.
const BUDGET: usize = 64 * 1024;

/// A TCP connection that reads no more than it should.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    left: usize,
    by_line: bool,
}

impl Bounded {
    /// `by_line`: never read beyond the end of a line, so that nothing sent early is taken for something else.
    pub(super) fn new(stream: TcpStream, by_line: bool) -> Self {
        Self {
            stream,
            left: BUDGET,
            by_line,
        }
    }

    /// How many bytes may be read now without going past the end of a line.
    fn poll_line(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut bytes = [0; 1024];
        let most = most.min(bytes.len());
        let mut peeked = ReadBuf::new(&mut bytes[..most]);
        let seen = ready!(self.stream.poll_peek(cx, &mut peeked))?;
        let end = peeked.filled().iter().position(|byte| *byte == b'\n');
        Poll::Ready(Ok(end.map_or(seen, |end| end + 1)))
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server sends without end")));
        }
        let mut most = buf.remaining().min(self.left);
        if self.by_line {
            most = ready!(self.poll_line(cx, most))?;
            if most == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        self.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left = BUDGET;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

/// A connection that is encrypted from its first byte. lettre can only open such a connection itself, unbounded; its
/// stream type is marked deprecated because it was never meant to be named, but it is the one way to its TLS.
#[allow(deprecated)]
#[derive(Debug)]
pub(super) struct Encrypted(AsyncNetworkStream);

#[allow(deprecated)]
impl Encrypted {
    /// The TLS handshake, before anything of the mail protocol.
    pub(super) async fn new(stream: Bounded, tls: TlsParameters) -> Result<Self, smtp::Error> {
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(tls).await?;
        Ok(Self(stream))
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(futures_io::AsyncRead::poll_read(
            Pin::new(&mut self.0),
            cx,
            buf.initialize_unfilled()
        ))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_close(Pin::new(&mut self.0), cx)
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}
