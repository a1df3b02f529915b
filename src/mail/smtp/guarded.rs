//! A future whose panic is an error: lettre panics at some answers that no honest server gives.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use super::stage::Failure;

/// What the future gives, or that it broke off.
pub(super) struct Guarded<F>(Pin<Box<F>>);

impl<F> Guarded<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<T, F: Future<Output = Result<T, Failure>>> Future for Guarded<F> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic it is dropped, and the connection with it: nothing sees it half done.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let text = "the server's answer makes no sense";
            Poll::Ready(Err(Failure::Broken(text.into())))
        })
    }
}
