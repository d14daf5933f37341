//! Asks services of the operator's who may come to routes of APIs.
//!
//! No redirect, no proxy, every answer capped; connections are kept, since each request may need
//! one. Whatever goes wrong lets nobody through.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::sync::watch;

use super::ClientError;
use crate::api::{
    AnswerName, Consultation, Consulted, LONGEST_ANSWER, RequestAuthorizer, Unjudged,
};
use crate::clock;

/// For the connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Questions that more than one request may wait for; each ends within its own time.
const MOST_FLIGHTS: u64 = 100_000;

type Flight = watch::Receiver<Option<Consulted>>;

/// The desk where authorizers are asked; one for the process.
pub struct CalloutDesk {
    client: reqwest::Client,
    flights: Cache<(u64, AnswerName), Flight>,
}

impl CalloutDesk {
    /// A desk that nobody has come to.
    ///
    /// # Errors
    /// When the TLS library cannot be set up at all.
    pub fn new() -> Result<Arc<Self>, ClientError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(64)
                .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        };
        // Without certificate authorities HTTPS fails; the client of key sets has told.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Arc::new(Self { client, flights: Cache::new(MOST_FLIGHTS) }))
    }

    /// Asks: once, however many ask the same at a time, where the answer is kept.
    pub async fn consult(self: &Arc<Self>, question: Box<Consultation>) -> Consulted {
        let Some(name) = question.name else {
            return self.ask(&question.authorizer, question.event).await;
        };
        let authorizer = Arc::clone(&question.authorizer);
        let Ok(_place) = authorizer.waiters.try_acquire() else { return Err(Unjudged::Busy) };
        let key = (authorizer.number, name);
        let mut flight = self.flights.get_with(key, || self.depart(*question, name));
        let landed = flight.wait_for(Option::is_some).await.map(|landed| landed.clone());
        // Without a word the task has panicked.
        landed.ok().flatten().unwrap_or_else(|| {
            self.flights.invalidate(&key);
            Err(Unjudged::Failed)
        })
    }

    /// Goes on when who asked has left: others may have come.
    fn depart(self: &Arc<Self>, question: Consultation, name: AnswerName) -> Flight {
        let Consultation { authorizer, event, .. } = question;
        let (sender, receiver) = watch::channel(None);
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            // One that has landed just now is gone from the flights, and its answer is kept.
            let consulted = match authorizer.kept(name) {
                Some(judged) => Ok(judged),
                None => desk.ask(&authorizer, event).await,
            };
            if let Ok(judged) = &consulted {
                authorizer.keep(name, judged);
            }
            let _ = sender.send(Some(consulted));
            desk.flights.invalidate(&(authorizer.number, name));
        });
        receiver
    }

    async fn ask(&self, authorizer: &RequestAuthorizer, event: Vec<u8>) -> Consulted {
        let begun = clock::monotonic();
        let consulted = match authorizer.callouts.try_acquire() {
            Ok(_place) => {
                let asked = self.send(authorizer, event);
                let answered = tokio::time::timeout(authorizer.settings.timeout, asked).await;
                answered.unwrap_or(Err(Unjudged::TimedOut))
            }
            Err(_) => Err(Unjudged::Busy),
        };
        let took = clock::monotonic().saturating_duration_since(begun);
        let outcome = consulted.as_ref().map_or_else(|why| why.as_str(), |_| "answered");
        authorizer.metrics.called(outcome, took);
        if !matches!(consulted, Ok(_) | Err(Unjudged::Unauthorized)) {
            let name = &*authorizer.settings.name;
            tracing::warn!(authorizer = name, outcome, "a request authorizer gave no answer");
        }
        consulted
    }

    async fn send(&self, authorizer: &RequestAuthorizer, event: Vec<u8>) -> Consulted {
        let request = self
            .client
            .post(&*authorizer.settings.uri)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(event);
        let mut answer = request.send().await.map_err(|error| lost(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| lost(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(Unjudged::Malformed);
            }
            body.extend_from_slice(&chunk);
        }
        authorizer.read(answer.status().as_u16(), &body)
    }
}

fn lost(error: &reqwest::Error) -> Unjudged {
    let shown: &dyn std::error::Error = error;
    tracing::debug!(error = shown, "a request authorizer cannot be asked");
    if error.is_timeout() { Unjudged::TimedOut } else { Unjudged::Failed }
}
