//! `basicAuth`: lets in who knows a user's password (RFC 7617).
//!
//! Users come from the configuration and from a file that is read when the middleware is built; of two entries for one
//! user the configuration's counts. A password is checked away from the core, since bcrypt takes tens of milliseconds, and
//! what was right once is remembered as a keyed digest. Invariants: no password is kept; a name that is not listed costs
//! the same time as a wrong password; a hash of an unknown kind lets nobody in.

mod apr1;
mod secret;
mod verified;

use super::{LocalFuture, Middleware, Next, Request, Response, users};
use crate::message::RequestHead;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use baton_routing::config;
use http::HeaderName;
use secret::Secret;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use verified::Verified;

/// Requests of one middleware that wait for their password to be checked; more are answered 503.
const WAITING_MAX: usize = 1024;
/// Length of `Authorization` up to which it is looked at.
const CREDENTIALS_BYTES_MAX: usize = 8 * 1024;

/// The middleware.
pub(super) struct BasicAuth {
    users: HashMap<String, Arc<Secret>>,
    /// Checked in place of an unknown user's: the costliest of all.
    decoy: Arc<Secret>,
    challenge: String,
    remove_header: bool,
    header_field: Option<HeaderName>,
    verified: Verified,
    checks: Semaphore,
    waiting: AtomicUsize,
}

/// A name with the password its owner claims.
struct Credentials {
    user: String,
    password: Vec<u8>,
}

impl BasicAuth {
    /// From its options; reads the users' file.
    pub(super) fn new(options: &config::BasicAuth) -> Result<Self, String> {
        let lines = users::entries(&options.users_file, &options.users)?;
        let mut users = HashMap::with_capacity(lines.len());
        for line in &lines {
            // The line may hold a password by mistake, so it is not repeated.
            let (user, hash) = line.split_once(':').ok_or("a user is not written as name:hash")?;
            let secret = Secret::parse(hash);
            if matches!(secret, Secret::Unknown) {
                tracing::warn!(user, "basicAuth: the hash is neither bcrypt, apr1 nor SHA-1; this user cannot log in");
            }
            users.insert(user.to_owned(), Arc::new(secret));
        }
        let decoy = users.values().max_by_key(|secret| secret.cost()).cloned().ok_or("there are no users")?;
        let realm = if options.realm.is_empty() { users::REALM } else { &options.realm };
        let header_field = match options.header_field.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| format!("headerField {name:?} is not a header name"))?),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            users,
            decoy,
            challenge: format!("Basic realm={}", users::quoted(realm)),
            remove_header: options.remove_header,
            header_field,
            verified: Verified::new(),
            checks: Semaphore::new((cores / 2).max(1)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Whether the password is right. `None` when too many are being checked.
    async fn check(&self, credentials: &Credentials) -> Option<bool> {
        let known = self.users.get(&credentials.user);
        if let Some(secret) = known
            && self.verified.holds(&credentials.user, secret, &credentials.password)
        {
            return Some(true);
        }
        let _turn = Turn::take(&self.waiting)?;
        let _permit = self.checks.acquire().await.ok()?;
        let secret = known.unwrap_or(&self.decoy).clone();
        let password = credentials.password.clone();
        let right = tokio::task::spawn_blocking(move || secret.accepts(&password)).await.unwrap_or(false);
        let Some(secret) = known.filter(|_| right) else { return Some(false) };
        self.verified.remember(&credentials.user, secret, &credentials.password);
        Some(true)
    }
}

impl Middleware for BasicAuth {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let Some(credentials) = credentials(&request.head) else { return users::refusal(self.challenge.clone()) };
            match self.check(&credentials).await {
                Some(true) => {}
                Some(false) => return users::refusal(self.challenge.clone()),
                None => return Response::status(503),
            }
            if let Some(name) = &self.header_field {
                request.head.fields.set(name.clone(), credentials.user);
            }
            if self.remove_header {
                request.head.fields.remove("authorization");
            }
            next.run(request).await
        })
    }
}

/// What `Authorization` says, when it is of the scheme `Basic`.
fn credentials(head: &RequestHead<'_>) -> Option<Credentials> {
    let value = head.fields.get_str("authorization").filter(|value| value.len() <= CREDENTIALS_BYTES_MAX)?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let password = decoded.split_off(colon + 1);
    decoded.truncate(colon);
    let user = String::from_utf8(decoded).ok()?;
    // The name may travel on in a header.
    (!user.chars().any(char::is_control)).then_some(Credentials { user, password })
}

/// A place among those who wait.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let turn = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Fields, Version};

    fn head(authorization: &'static str) -> RequestHead<'static> {
        let mut fields = Fields::default();
        fields.push(http::header::AUTHORIZATION, authorization);
        RequestHead {
            method: "GET".into(),
            path: "/".into(),
            query: None,
            host: "a.test".into(),
            version: Version::Http11,
            fields,
        }
    }

    #[test]
    fn credentials_are_read() {
        let read = |value| credentials(&head(value)).map(|found| (found.user, found.password));
        assert_eq!(read("Basic Ym9iOnQ6dA=="), Some(("bob".to_owned(), b"t:t".to_vec())));
        assert_eq!(read("bAsIc Ym9iOg=="), Some(("bob".to_owned(), Vec::new())));
        for wrong in ["Basic Ym9i", "Bearer Ym9iOg==", "Basic", "Basic %%%", "Basic YgpvOng="] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_configuration_counts_before_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# people\n\nann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nbob:x\n").unwrap();
        let auth = BasicAuth::new(&config::BasicAuth {
            users: vec!["bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".into()],
            users_file: file.path().to_str().unwrap().to_owned(),
            realm: "a \"b\"".into(),
            ..config::BasicAuth::default()
        })
        .unwrap();
        assert!(auth.users["ann"].accepts(b"password"));
        assert!(auth.users["bob"].accepts(b"password"));
        assert_eq!(auth.challenge, r#"Basic realm="a \"b\"""#);
    }

    #[test]
    fn impossible_options_are_refused_without_repeating_them() {
        let new = |users: &[&str], file: &str, header: &str| {
            BasicAuth::new(&config::BasicAuth {
                users: users.iter().map(|user| (*user).to_owned()).collect(),
                users_file: file.to_owned(),
                header_field: header.to_owned(),
                ..config::BasicAuth::default()
            })
            .err()
        };
        assert_eq!(new(&["hunter2"], "", ""), Some("a user is not written as name:hash".to_owned()));
        assert_eq!(new(&[], "", ""), Some("there are no users".to_owned()));
        assert!(new(&[], "/nonexistent/users", "").unwrap().starts_with("usersFile /nonexistent/users: "));
        assert_eq!(new(&["a:b"], "", "a b"), Some("headerField \"a b\" is not a header name".to_owned()));
    }

    #[test]
    fn a_full_queue_takes_nobody() {
        let waiting = AtomicUsize::new(WAITING_MAX - 1);
        let last = Turn::take(&waiting).unwrap();
        assert!(Turn::take(&waiting).is_none());
        drop(last);
        assert_eq!(waiting.into_inner(), WAITING_MAX - 1);
    }
}
