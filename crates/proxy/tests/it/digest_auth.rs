//! `digestAuth` on a running proxy.

use crate::support::*;
use baton_routing::config::{DigestAuth, Middleware};
use md5::{Digest, Md5};

fn hash(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> &'a str {
    challenge.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap()
}

fn answer(challenge: &str, uri: &str, password: &str) -> String {
    let (nonce, opaque) = (parameter(challenge, "nonce"), parameter(challenge, "opaque"));
    let (who, what) = (hash(&format!("bob:people:{password}")), hash(&format!("GET:{uri}")));
    let response = hash(&format!("{who}:{nonce}:00000001:xyz:auth:{what}"));
    format!(
        "Authorization: Digest username=\"bob\", realm=\"people\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"xyz\", response=\"{response}\", opaque=\"{opaque}\"\r\n"
    )
}

#[test]
fn a_challenge_is_answered_once() {
    let backend = Backend::named("app");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("# people\nbob:people:{}\n", hash("bob:people:secret"))).unwrap();
    let options = DigestAuth {
        users_file: file.path().to_str().unwrap().to_owned(),
        realm: "people".into(),
        remove_header: true,
        header_field: "X-User".into(),
        ..DigestAuth::default()
    };
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "auth", Middleware::DigestAuth(options));
        route(config, "app", "app", &["auth"]);
    });
    let challenge = || {
        let refused = world.get("app.test", "/a?b=c", "X-User: root\r\n");
        assert_eq!((refused.line(), &refused.body[..]), ("HTTP/1.1 401 Unauthorized", &b"401 Unauthorized\n"[..]));
        refused.field("Www-Authenticate").unwrap().to_owned()
    };
    let first = challenge();
    assert!(first.starts_with("Digest realm=\"people\", nonce=\""), "{first}");
    assert!(first.ends_with(", algorithm=MD5, qop=\"auth\""), "{first}");
    let good = answer(&first, "/a?b=c", "secret");
    assert_eq!(world.get("app.test", "/a?b=c", &good).body, b"app");
    let request = backend.last();
    assert_eq!((request.field("X-User"), request.field("Authorization")), (Some("bob"), None));
    // On whichever worker it comes, it was seen before.
    for _ in 0..4 {
        let again = world.get("app.test", "/a?b=c", &good);
        assert!(again.field("Www-Authenticate").unwrap().ends_with(", stale=true"), "{}", again.head);
    }
    let wrong = world.get("app.test", "/a?b=c", &answer(&challenge(), "/a?b=c", "guess"));
    assert!(!wrong.field("Www-Authenticate").unwrap().contains("stale"));
    let elsewhere = world.get("app.test", "/other", &answer(&challenge(), "/a?b=c", "secret"));
    assert_eq!(elsewhere.line(), "HTTP/1.1 401 Unauthorized");
    assert_eq!(backend.count(), 0);
}
