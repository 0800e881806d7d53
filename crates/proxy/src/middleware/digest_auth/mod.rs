//! `digestAuth`: lets in who knows a user's password without being told it (RFC 7616, with MD5 and `qop=auth`, which is
//! what `htdigest` files and Traefik know).
//!
//! Invariants: an answer to a challenge counts once, for its method and target; a name that is not listed costs the same
//! as a wrong password.

mod nonces;

use super::{LocalFuture, Middleware, Next, Request, Response, users};
use crate::message::RequestHead;
use crate::normalize::PathRules;
use baton_routing::config;
use http::HeaderName;
use md5::{Digest, Md5};
use nonces::Nonces;
use std::collections::HashMap;
use std::time::Instant;
use subtle::ConstantTimeEq;

/// Length of `Authorization` up to which it is looked at.
const CREDENTIALS_BYTES_MAX: usize = 8 * 1024;

/// The middleware.
pub(super) struct DigestAuth {
    /// `MD5(user:realm:password)` by user, for this realm.
    users: HashMap<String, String>,
    realm: String,
    opaque: String,
    nonces: Nonces,
    paths: PathRules,
    remove_header: bool,
    header_field: Option<HeaderName>,
}

/// Whether a request gets through.
#[derive(Debug, PartialEq)]
enum Verdict {
    Known(String),
    /// The password is right, the challenge too old.
    Stale,
    Unknown,
}

impl DigestAuth {
    /// From its options; reads the users' file.
    pub(super) fn new(options: &config::DigestAuth) -> Result<Self, String> {
        let realm = if options.realm.is_empty() { users::REALM } else { &options.realm };
        let lines = users::entries(&options.users_file, &options.users)?;
        let mut known = HashMap::with_capacity(lines.len());
        for line in &lines {
            // The line holds a secret, so it is not repeated.
            let parts: Vec<&str> = line.split(':').collect();
            let [user, of, hash] = parts[..] else { return Err("a user is not written as name:realm:hash".to_owned()) };
            if of == realm {
                known.insert(user.to_owned(), hash.to_ascii_lowercase());
            }
        }
        if lines.is_empty() {
            return Err("there are no users".to_owned());
        }
        if known.is_empty() {
            tracing::warn!(realm, "digestAuth: no user is of this realm; nobody can log in");
        }
        let header_field = match options.header_field.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| format!("headerField {name:?} is not a header name"))?),
        };
        Ok(Self {
            users: known,
            realm: realm.to_owned(),
            opaque: hex(&rand::random::<[u8; 16]>()),
            nonces: Nonces::new(Instant::now()),
            paths: PathRules::new(true, false, None),
            remove_header: options.remove_header,
            header_field,
        })
    }

    fn check(&self, head: &RequestHead<'_>, now: Instant) -> Verdict {
        let Some(given) = head.fields.get_str("authorization").and_then(Parameters::read) else {
            return Verdict::Unknown;
        };
        let algorithm = given.0.get("algorithm").map_or("MD5", |name| name);
        if given.of("opaque") != self.opaque || !algorithm.eq_ignore_ascii_case("MD5") || given.of("qop") != "auth" {
            return Verdict::Unknown;
        }
        if !self.is_target(given.of("uri"), head) {
            return Verdict::Unknown;
        }
        let user = given.of("username");
        let secret = self.users.get(user);
        let action = hash(&[&head.method, given.of("uri")]);
        let first = secret.map_or("", String::as_str);
        let expected = hash(&[first, given.of("nonce"), given.of("nc"), given.of("cnonce"), given.of("qop"), &action]);
        let right: bool = expected.as_bytes().ct_eq(given.of("response").as_bytes()).into();
        let count = u64::from_str_radix(given.of("nc"), 16).ok();
        match count {
            Some(count) if right && secret.is_some() => match self.nonces.take(given.of("nonce"), count, now) {
                true => Verdict::Known(user.to_owned()),
                false => Verdict::Stale,
            },
            _ => Verdict::Unknown,
        }
    }

    /// Whether `uri` is what was asked for, as the client wrote it or as it is sent on.
    fn is_target(&self, uri: &str, head: &RequestHead<'_>) -> bool {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        let same_query = match (query, head.query.as_deref()) {
            (Some(given), Some(query)) => given == query || self.paths.query(given) == query,
            (given, query) => given.is_none() && query.is_none(),
        };
        same_query && (path == head.path || self.paths.clean(path).is_some_and(|path| path == head.path))
    }

    fn refusal(&self, stale: bool, now: Instant) -> Response {
        let stale = if stale { ", stale=true" } else { "" };
        users::refusal(format!(
            "Digest realm={}, nonce=\"{}\", opaque=\"{}\", algorithm=MD5, qop=\"auth\"{stale}",
            users::quoted(&self.realm),
            self.nonces.issue(now),
            self.opaque,
        ))
    }
}

impl Middleware for DigestAuth {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let now = Instant::now();
            let user = match self.check(&request.head, now) {
                Verdict::Known(user) => user,
                Verdict::Stale => return self.refusal(true, now),
                Verdict::Unknown => return self.refusal(false, now),
            };
            if let Some(name) = &self.header_field {
                request.head.fields.set(name.clone(), user);
            }
            if self.remove_header {
                request.head.fields.remove("authorization");
            }
            next.run(request).await
        })
    }
}

/// What `Authorization` says, when it is of the scheme `Digest`.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn read(value: &str) -> Option<Self> {
        let (scheme, mut rest) = value.split_once(' ').filter(|_| value.len() <= CREDENTIALS_BYTES_MAX)?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut parameters = HashMap::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return Some(Self(parameters));
            }
            let (name, after) = rest.split_once('=')?;
            let (value, after) = match after.strip_prefix('"') {
                Some(after) => unquoted(after)?,
                None => {
                    let end = after.find([',', ' ']).unwrap_or(after.len());
                    (after[..end].to_owned(), &after[end..])
                }
            };
            rest = after;
            if parameters.insert(name.trim().to_ascii_lowercase(), value).is_some() {
                return None;
            }
        }
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// The text up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn hash(parts: &[&str]) -> String {
    hex(&Md5::digest(parts.join(":")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Fields, Version};

    /// The user `test` with the password `test`.
    const USER: &str = "test:traefik:a2688e031edb4be6a3797f3882655c05";

    fn auth(users: &[&str]) -> Result<DigestAuth, String> {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        DigestAuth::new(&config::DigestAuth { users, ..config::DigestAuth::default() })
    }

    fn head(path: &'static str, query: Option<&'static str>, authorization: String) -> RequestHead<'static> {
        let mut fields = Fields::default();
        fields.push(http::header::AUTHORIZATION, authorization);
        RequestHead {
            method: "GET".into(),
            path: path.into(),
            query: query.map(Into::into),
            host: "a.test".into(),
            version: Version::Http11,
            fields,
        }
    }

    fn answer(auth: &DigestAuth, nonce: &str, count: &str, uri: &str, password: &str) -> String {
        let first = hash(&["test", "traefik", password]);
        let response = hash(&[&first, nonce, count, "c", "auth", &hash(&["GET", uri])]);
        format!(
            "Digest username=\"test\", realm=\"traefik\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, nc={count}, cnonce=\"c\", response=\"{response}\", opaque=\"{}\"",
            auth.opaque
        )
    }

    #[test]
    fn who_knows_the_password_gets_through_once() {
        let (auth, now) = (auth(&[USER]).unwrap(), Instant::now());
        let nonce = auth.nonces.issue(now);
        let given = |count, uri, password| answer(&auth, &nonce, count, uri, password);
        let known = || Verdict::Known("test".to_owned());
        let first = head("/a", Some("b=1"), given("00000001", "/a?b=1", "test"));
        assert_eq!(auth.check(&first, now), known());
        assert_eq!(auth.check(&first, now), Verdict::Stale, "seen before");
        assert_eq!(auth.check(&head("/%C3%A9", None, given("00000002", "/x/../%c3%a9", "test")), now), known());
        assert_eq!(auth.check(&head("/a", None, given("00000003", "/a", "wrong")), now), Verdict::Unknown);
        assert_eq!(auth.check(&head("/other", None, given("00000003", "/a", "test")), now), Verdict::Unknown);
        assert_eq!(auth.check(&head("/a", Some("c"), given("00000003", "/a", "test")), now), Verdict::Unknown);
        let mut post = head("/a", None, given("00000003", "/a", "test"));
        post.method = "POST".into();
        assert_eq!(auth.check(&post, now), Verdict::Unknown);
        let made_up = answer(&auth, "0123456789abcdef", "00000001", "/a", "test");
        assert_eq!(auth.check(&head("/a", None, made_up), now), Verdict::Stale);
    }

    #[test]
    fn parameters_are_read() {
        let read = |text| Parameters::read(text).map(|read| (read.of("a").to_owned(), read.of("b").to_owned()));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(read(r#"Digest a="x, \"y\"",b=2"#), pair("x, \"y\"", "2"));
        assert_eq!(read("digest  A=1 , b=\"\""), pair("1", ""));
        for wrong in ["Basic a=1", "Digest", "Digest a", "Digest a=\"x", "Digest a=1, a=2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn impossible_options_are_refused_without_repeating_them() {
        assert_eq!(auth(&["hunter2"]).err(), Some("a user is not written as name:realm:hash".to_owned()));
        assert_eq!(auth(&[]).err(), Some("there are no users".to_owned()));
        // The user of another realm has no way in.
        let other = auth(&["test:other:a2688e031edb4be6a3797f3882655c05"]).unwrap();
        let (now, given) = (Instant::now(), answer(&other, &other.nonces.issue(Instant::now()), "1", "/", "test"));
        assert_eq!(other.check(&head("/", None, given), now), Verdict::Unknown);
    }
}
