//! Request targets: what is refused, what is cleaned, and the text that rules see.
//!
//! Order (Traefik's): `#` → 400; unreserved escapes decoded, hex digits upper-cased; denied escapes → 400; dot segments and
//! double slashes removed; then routing. Rules see other escapes decoded too, except those of reserved characters.

use baton_routing::config::EncodedCharacters;
use std::borrow::Cow;

/// How an entry point treats paths.
#[derive(Debug, Clone)]
pub struct PathRules {
    /// Remove `.`, `..` and empty segments.
    pub sanitize: bool,
    /// Escapes that are refused, as upper-case hex pairs.
    denied: Vec<[u8; 2]>,
    /// `;` in queries becomes `%3B`; otherwise `&`.
    pub encode_semicolons: bool,
}

impl PathRules {
    /// Rules from an entry point's options.
    pub fn new(sanitize: bool, encode_semicolons: bool, encoded: Option<&EncodedCharacters>) -> Self {
        let denied = encoded.map(EncodedCharacters::denied).unwrap_or_default();
        Self { sanitize, denied, encode_semicolons }
    }

    /// The path as it goes upstream; `None` refuses the request.
    pub fn clean<'b>(&self, path: &'b str) -> Option<Cow<'b, str>> {
        if path.bytes().any(|byte| byte == b'#') {
            return None;
        }
        let decoded = if path.contains('%') { Cow::Owned(self.normalize(path)?) } else { Cow::Borrowed(path) };
        if self.sanitize && needs_cleaning(&decoded) { Some(Cow::Owned(remove_dots(&decoded))) } else { Some(decoded) }
    }

    fn normalize(&self, path: &str) -> Option<String> {
        let bytes = path.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] != b'%' {
                out.push(bytes[at]);
                at += 1;
                continue;
            }
            let (value, pair) = escape(bytes, at)?;
            if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
                out.push(value);
            } else {
                if self.denied.contains(&pair) {
                    return None;
                }
                out.extend_from_slice(&[b'%', pair[0], pair[1]]);
            }
            at += 3;
        }
        String::from_utf8(out).ok()
    }

    /// The query as it goes upstream.
    pub fn query<'b>(&self, query: &'b str) -> Cow<'b, str> {
        if !query.contains(';') {
            Cow::Borrowed(query)
        } else if self.encode_semicolons {
            Cow::Owned(query.replace(';', "%3B"))
        } else {
            Cow::Owned(query.replace(';', "&"))
        }
    }
}

/// The escape at `at`: its value and its digits in upper case.
fn escape(bytes: &[u8], at: usize) -> Option<(u8, [u8; 2])> {
    let pair = [bytes.get(at + 1)?.to_ascii_uppercase(), bytes.get(at + 2)?.to_ascii_uppercase()];
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some(((digit(pair[0])? * 16 + digit(pair[1])?) as u8, pair))
}

fn needs_cleaning(path: &str) -> bool {
    path.contains("//") || path.contains("/.")
}

/// Go's `path.Clean` with the trailing slash kept, except after `..`.
pub(crate) fn remove_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// A target that a configuration says, as it can stand in a request line: spaces and control characters as escapes.
pub(crate) fn sendable(target: &str) -> Cow<'_, str> {
    let is_bad = |byte: u8| byte <= b' ' || byte == 0x7f;
    if !target.bytes().any(is_bad) {
        return Cow::Borrowed(target);
    }
    let mut out = String::with_capacity(target.len() + 8);
    for letter in target.chars() {
        match u8::try_from(letter) {
            Ok(byte) if is_bad(byte) => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// The path as rules see it: escapes decoded unless they stand for a reserved character (RFC 3986 §2.2) or `%`.
pub fn routing_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escape(bytes, at).filter(|_| bytes[at] == b'%') {
            Some((value, _)) if !b":/?#[]@!$&'()*+,;=%".contains(&value) => {
                out.push(value);
                at += 3;
            }
            Some(_) => {
                out.extend_from_slice(&bytes[at..at + 3]);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(path),
    }
}

/// A host as rules see it: lower-case, without port and trailing dot.
pub fn routing_host(host: &str) -> Cow<'_, str> {
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Host and port of an authority that may name a user (RFC 3986 §3.2.1).
pub fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host without its port; brackets of IPv6 addresses are removed.
pub fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match colon(host) {
        Some(at) if host[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) && !host[..at].contains(':') => {
            &host[..at]
        }
        _ => host,
    }
}

/// Where the last colon stands. Hosts are short: a plain loop is quicker than the set-up of a search.
fn colon(host: &str) -> Option<usize> {
    host.bytes().rposition(|byte| byte == b':')
}

/// The port in a host, when there is one.
pub fn port_of(host: &str) -> Option<&str> {
    let port = &host[colon(host)? + 1..];
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(path: &str) -> Option<String> {
        PathRules::new(true, false, None).clean(path).map(Cow::into_owned)
    }

    #[test]
    fn paths_are_cleaned_as_traefik_does() {
        for (path, expected) in [
            ("/a/../b", "/b"),
            ("//a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/b/..", "/a"),
            ("/%2e%2e/x", "/x"),
            ("/%41%2fz", "/A%2Fz"),
            ("/..", "/"),
            ("/.hidden", "/.hidden"),
            ("/", "/"),
        ] {
            assert_eq!(clean(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/a#b", "/%", "/%4", "/%zz"] {
            assert_eq!(clean(path), None, "{path}");
        }
    }

    #[test]
    fn denied_escapes_are_refused() {
        let deny = EncodedCharacters {
            allow_encoded_slash: false,
            allow_encoded_percent: false,
            ..EncodedCharacters::default()
        };
        let rules = PathRules::new(true, false, Some(&deny));
        assert_eq!(rules.clean("/a%2Fb"), None);
        assert_eq!(rules.clean("/a%25b"), None);
        assert!(rules.clean("/a%3Bb").is_some());
    }

    #[test]
    fn rules_see_other_escapes_decoded() {
        assert_eq!(routing_path("/sp%20ace"), "/sp ace");
        assert_eq!(routing_path("/foo%2Fbar"), "/foo%2Fbar");
        assert_eq!(routing_host("X.Test.:8080"), "x.test");
        assert_eq!(routing_host("[::1]:80"), "::1");
        assert_eq!(port_of("[::1]:80"), Some("80"));
        assert_eq!(port_of("x.test"), None);
        assert_eq!(port_of("[::1]"), None);
        assert_eq!(without_port("::1"), "::1");
    }
}
