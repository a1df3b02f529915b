//! Several mail servers that do the same: the next is asked where one cannot be talked to.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    server::Server,
    stage::{classify, elsewhere},
};
use crate::mail::{Answer, Composed, MailSettings, SetupError, SmtpSettings, mailer::Sent};

/// Connections at a time; servers count them per client.
const CONNECTIONS: usize = 4;
/// One that failed is asked last for so long, so that not every message waits for a dead one.
const SET_BACK: Duration = Duration::from_secs(60);
/// Characters of an answer, shared by the servers it speaks of.
const WORDS: usize = 300;

/// The configured mail servers, in their order.
pub(in crate::mail) struct Servers {
    servers: Vec<Server>,
    limit: Duration,
    permits: Semaphore,
    /// Of each server, since when it has failed.
    failing: Mutex<Vec<Option<Instant>>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.servers).finish()
    }
}

impl Servers {
    pub(in crate::mail) fn new(
        smtp: &SmtpSettings,
        settings: &MailSettings,
    ) -> Result<Self, SetupError> {
        let servers = smtp.hosts.iter().map(|at| Server::new(at, smtp, settings));
        let servers: Vec<Server> = servers.collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(SetupError::NoHost);
        }
        Ok(Self {
            failing: Mutex::new(vec![None; servers.len()]),
            servers,
            limit: settings.timeout,
            permits: Semaphore::new(CONNECTIONS),
        })
    }

    /// Delivers once. The time begins when one of the few connections is free, and is for all servers together: each
    /// has an equal share of what is left to get as far as the message.
    pub(in crate::mail) async fn send(&self, message: &Composed) -> Sent {
        // Nobody closes the semaphore; were it closed, one delivery more at a time would be no harm.
        let _permit = self.permits.acquire().await.ok();
        let end = Instant::now() + self.limit;
        let order = order(&mut self.failing(), Instant::now());
        let mut whys: Vec<(&str, String)> = Vec::new();
        for (tried, &at) in order.iter().enumerate() {
            let Some(server) = self.servers.get(at) else {
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() && tried > 0 {
                break;
            }
            let share = left / u32::try_from(order.len() - tried).unwrap_or(1);
            let (stage, failure) = match server.deliver(message, share, end).await {
                Ok(said) => {
                    self.works(at);
                    return Sent::by(server.label(), Answer::accepted(&said));
                }
                Err(failed) => failed,
            };
            let answer = classify(server.label(), stage, &failure);
            match answer {
                Answer::Temporary { why } if elsewhere(stage, &failure) => {
                    self.fails(at, &why);
                    whys.push((server.label(), why));
                }
                Answer::Unknown { .. } => {
                    self.fails(at, "no answer to a whole message");
                    return Sent::by(server.label(), answer);
                }
                _ => {
                    self.works(at);
                    return Sent::by(server.label(), answer);
                }
            }
        }
        match &whys[..] {
            [(label, why)] => Sent::by(label, Answer::temporary(why)),
            _ => {
                let room = WORDS / whys.len().max(1) - 2;
                let each = |(_, why): &(&str, String)| why.chars().take(room).collect::<String>();
                let all: Vec<String> = whys.iter().map(each).collect();
                let labels: Vec<&str> = whys.iter().map(|(label, _)| *label).collect();
                Sent::by(&labels.join(" "), Answer::temporary(&all.join("; ")))
            }
        }
    }

    /// Connects to each server as a delivery would; why that fails, where it does.
    pub(in crate::mail) async fn try_out(&self) -> Vec<(String, Option<String>)> {
        let mut tried = Vec::new();
        for server in &self.servers {
            let why = match server.try_out(self.limit).await {
                Ok(()) => None,
                Err((stage, failure)) => Some(match classify(server.label(), stage, &failure) {
                    Answer::Temporary { why }
                    | Answer::Permanent { why }
                    | Answer::Unknown { why } => why,
                    Answer::Accepted { .. } => String::new(),
                }),
            };
            tried.push((server.label().to_owned(), why));
        }
        tried
    }

    fn failing(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works(&self, at: usize) {
        if let Some(since) = self.failing().get_mut(at) {
            *since = None;
        }
    }

    fn fails(&self, at: usize, why: &str) {
        let before = match self.failing().get_mut(at) {
            Some(since) => since.replace(Instant::now()),
            None => None,
        };
        // Of many messages the first tells it; where there is only one server the answer does.
        if before.is_none() && self.servers.len() > 1 {
            tracing::warn!(why, "a mail server failed and is asked last for a minute");
        }
    }
}

/// In which order the servers are asked: those that failed a moment ago last. Of one whose minute is over, this
/// message finds out whether it is back, and nobody else waits for that.
fn order(failing: &mut [Option<Instant>], now: Instant) -> Vec<usize> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for (at, since) in failing.iter_mut().enumerate() {
        match since {
            Some(since) if now.saturating_duration_since(*since) < SET_BACK => last.push(at),
            Some(since) => {
                *since = now;
                first.push(at);
            }
            None => first.push(at),
        }
    }
    first.append(&mut last);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_is_last_for_a_minute_and_then_tried_by_one_message() {
        let start = Instant::now();
        let mut failing = vec![Some(start), None, None];
        assert_eq!(order(&mut failing, start), [1, 2, 0]);
        let almost = start + SET_BACK - Duration::from_millis(1);
        assert_eq!(order(&mut failing, almost), [1, 2, 0]);
        let over = start + SET_BACK;
        assert_eq!(order(&mut failing, over), [0, 1, 2]);
        assert_eq!(order(&mut failing, over), [1, 2, 0]);
    }

    #[test]
    fn when_all_failed_they_keep_their_order() {
        let start = Instant::now();
        let mut failing = vec![Some(start); 3];
        assert_eq!(order(&mut failing, start), [0, 1, 2]);
    }
}
