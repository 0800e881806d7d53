//! Middlewares that edit the path, and their order, on a running proxy.

use crate::support::*;
use baton_routing::config::{
    AddPrefix, AllowedEscapes, Chain, Middleware, ReplacePath, ReplacePathRegex, StripPrefix, StripPrefixRegex,
};

#[test]
fn paths_reach_the_server_as_edited() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            let kinds = [
                ("add", Middleware::AddPrefix(AddPrefix { prefix: "/api".into() })),
                (
                    "strip",
                    Middleware::StripPrefix(StripPrefix { prefixes: vec!["/api/x".into()], ..StripPrefix::default() }),
                ),
                ("regex", Middleware::StripPrefixRegex(StripPrefixRegex { regex: vec!["/u/[0-9]+".into()] })),
                ("replace", Middleware::ReplacePath(ReplacePath { path: "/const".into() })),
                (
                    "rewrite",
                    Middleware::ReplacePathRegex(ReplacePathRegex {
                        regex: "^/a/(.*)".into(),
                        replacement: "/b/$1".into(),
                    }),
                ),
                ("chain", Middleware::Chain(Chain { middlewares: vec!["add".into(), "strip".into()] })),
            ];
            for (name, kind) in kinds {
                middleware(config, name, kind);
                route(config, name, "app", &[name]);
            }
            route(config, "reversed", "app", &["strip", "add"]);
        });
        for (host, target, line, field) in [
            ("add", "/x?q=1", "GET /api/x?q=1 HTTP/1.1", None),
            ("strip", "/api/x/y", "GET /y HTTP/1.1", Some(("X-Forwarded-Prefix", "/api/x"))),
            ("regex", "/u/12/x?q=1", "GET /x?q=1 HTTP/1.1", Some(("X-Forwarded-Prefix", "/u/12"))),
            ("replace", "/a?q=1", "GET /const?q=1 HTTP/1.1", Some(("X-Replaced-Path", "/a"))),
            ("rewrite", "/a/zz?q=1", "GET /b/zz?q=1 HTTP/1.1", Some(("X-Replaced-Path", "/a/zz"))),
            ("chain", "/x/y", "GET /y HTTP/1.1", Some(("X-Forwarded-Prefix", "/api/x"))),
            ("reversed", "/x/y", "GET /api/x/y HTTP/1.1", None),
        ] {
            assert_eq!(world.get(&format!("{host}.test"), target, "").body, b"app", "{host}");
            let request = backend.last();
            assert_eq!(request.line(), line, "{host}");
            if let Some((name, value)) = field {
                assert_eq!(request.field(name), Some(value), "{host}");
            }
        }
    }
}

#[test]
fn ambiguous_escapes_are_refused() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            let slashes = AllowedEscapes { allow_encoded_slash: true, ..AllowedEscapes::default() };
            middleware(config, "none", Middleware::EncodedCharacters(AllowedEscapes::default()));
            middleware(config, "slashes", Middleware::EncodedCharacters(slashes));
            route(config, "none", "app", &["none"]);
            route(config, "slashes", "app", &["slashes"]);
        });
        for (host, target, passes) in [
            ("none", "/a%20b?c%2Fd", true),
            ("none", "/a%2fb", false),
            ("none", "/a%25b", false),
            ("slashes", "/a%2Fb", true),
            ("slashes", "/a%5Cb", false),
        ] {
            let answer = world.get(&format!("{host}.test"), target, "");
            let expected =
                if passes { ("HTTP/1.1 200 OK", &b"app"[..]) } else { ("HTTP/1.1 400 Bad Request", &b""[..]) };
            assert_eq!((answer.line(), &answer.body[..]), expected, "{host} {target}");
        }
    }
}
