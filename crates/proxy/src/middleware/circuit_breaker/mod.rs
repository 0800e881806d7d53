//! `circuitBreaker`: spares a service that fails, and its clients the wait.
//!
//! What counts is the status that comes out of the rest of the chain and the time until its body is out. Each route has a
//! breaker of its own, as in Traefik, and all cores share it; a reload that does not change it keeps its state.

mod breaker;
mod condition;
mod window;

use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::body::holding;
use baton_routing::config;
use breaker::{Breaker, Change, Times};
use condition::Condition;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Status of a request whose client left before the answer.
const CLIENT_LEFT: u16 = 499;

/// The middleware.
pub(super) struct CircuitBreaker {
    shared: Arc<Shared>,
    status: u16,
}

/// What a route's requests share.
struct Shared {
    name: String,
    expression: String,
    start: Instant,
    breaker: Mutex<Breaker>,
}

/// A request that was let through; recorded when its answer is out or given up.
struct Passing {
    shared: Arc<Shared>,
    status: u16,
    since: Instant,
}

impl CircuitBreaker {
    /// From its options.
    pub(super) fn new(name: &str, options: &config::CircuitBreaker) -> Result<Self, String> {
        let or = |span: Duration, default| if span.is_zero() { default } else { span };
        let defaults = config::CircuitBreaker::default();
        let times = Times {
            check: or(*options.check_period, *defaults.check_period),
            fallback: or(*options.fallback_duration, *defaults.fallback_duration),
            recovery: or(*options.recovery_duration, *defaults.recovery_duration),
        };
        let condition = Condition::parse(&options.expression).map_err(|error| format!("expression: {error}"))?;
        let shared = Shared {
            name: name.to_owned(),
            expression: options.expression.clone(),
            start: Instant::now(),
            breaker: Mutex::new(Breaker::new(condition, times)),
        };
        Ok(Self { shared: Arc::new(shared), status: options.response_code })
    }
}

impl Middleware for CircuitBreaker {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            if !self.shared.admits() {
                return Response::status(self.status);
            }
            let mut passing = Passing { shared: self.shared.clone(), status: CLIENT_LEFT, since: Instant::now() };
            let mut response = next.run(request).await;
            passing.status = response.head.status;
            response.body = holding(response.body, passing);
            response
        })
    }
}

impl Shared {
    fn admits(&self) -> bool {
        let (admitted, change) = self.lock().admits(self.start.elapsed());
        self.tell(change);
        admitted
    }

    fn tell(&self, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Opened) => {
                tracing::warn!(middleware = %self.name, "circuit breaker opens: {}", self.expression);
            }
            Some(Change::HalfOpened) => {
                tracing::info!(middleware = %self.name, "circuit breaker lets some requests try")
            }
            Some(Change::Closed) => tracing::info!(middleware = %self.name, "circuit breaker closes"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let now = self.shared.start.elapsed();
        let change = self.shared.lock().record(self.status, self.since.elapsed(), now);
        self.shared.tell(change);
    }
}
