//! Where a probe goes: a server's URL, changed by the check's options and by redirects (RFC 3986 §5.2).

use crate::balance::Scheme;
use crate::normalize::{port_of, without_port, without_user};

/// An absolute URL of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// Host and port as written.
    pub(super) authority: String,
    /// Path and query, percent-encoded.
    pub(super) target: String,
}

impl Url {
    /// Reads `scheme://host[:port][/path]`; `None` when it is none of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme_of(scheme)?;
        let (authority, target) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let authority = without_user(authority);
        let usable = !without_port(authority).is_empty();
        usable.then(|| Self { scheme, authority: authority.to_owned(), target: as_target("/", target) })
    }

    /// What `reference` means when read here.
    pub(super) fn join(&self, reference: &str) -> Option<Self> {
        let end = reference.find(['/', '?', '#']).unwrap_or(reference.len());
        if reference[..end].contains(':') {
            return Self::parse(reference);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", name_of(self.scheme)));
        }
        Some(Self { target: as_target(&self.target, reference), ..self.clone() })
    }

    /// Name or address, without brackets.
    pub(super) fn host(&self) -> &str {
        without_port(&self.authority)
    }

    /// The port, the scheme's own when none is written.
    pub(super) fn port(&self) -> Option<u16> {
        match (port_of(&self.authority), self.scheme) {
            (Some(port), _) => port.parse().ok(),
            (None, Scheme::Https) => Some(443),
            (None, _) => Some(80),
        }
    }

    /// The same at another port.
    pub(super) fn at_port(mut self, port: u16) -> Self {
        let host = self.host();
        self.authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        self
    }
}

/// A scheme by name.
pub(super) fn scheme_of(name: &str) -> Option<Scheme> {
    match name.to_ascii_lowercase().as_str() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        "h2c" => Some(Scheme::H2c),
        _ => None,
    }
}

fn name_of(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::H2c => "h2c",
    }
}

/// Path and query of a reference without authority, read at `base`.
fn as_target(base: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let base_path = base.split('?').next().unwrap_or_default();
    let (path, query) = reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
    let joined = match path {
        "" if query.is_none() => return base.to_owned(),
        "" => base_path.to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => without_dots(&format!("{}/{path}", base_path.rsplit_once('/').map_or("", |(folder, _)| folder))),
    };
    encoded(&query.map_or_else(|| joined.clone(), |query| format!("{joined}?{query}")))
}

/// A path that starts with a slash, without `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// The text with what may not stand in a request line percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0..=0x20 | 0x7f.. => {
                out.push_str(&format!("%{byte:02X}"));
            }
            byte => out.push(char::from(byte)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: Option<Url>) -> String {
        url.map_or_else(
            || "none".to_owned(),
            |url| format!("{}://{}{}", name_of(url.scheme), url.authority, url.target),
        )
    }

    #[test]
    fn references_are_joined() {
        let base = Url::parse("http://a.test:81/base/x?q=1").unwrap();
        for (reference, joined) in [
            ("", "http://a.test:81/base/x?q=1"),
            ("/health", "http://a.test:81/health"),
            ("/health?deep=1#top", "http://a.test:81/health?deep=1"),
            ("health", "http://a.test:81/base/health"),
            ("../up/./y/..", "http://a.test:81/up/"),
            ("/../../x", "http://a.test:81/x"),
            ("?q=2", "http://a.test:81/base/x?q=2"),
            ("//b.test/y", "http://b.test/y"),
            ("https://b.test", "https://b.test/"),
            ("/a b?c|d", "http://a.test:81/a%20b?c%7Cd"),
            ("ftp://b.test/", "none"),
            ("mailto:x", "none"),
            ("http:///x", "none"),
            ("HTTP://user:secret@b.test:8/", "http://b.test:8/"),
        ] {
            assert_eq!(shown(base.join(reference)), joined, "{reference}");
        }
    }

    #[test]
    fn ports_follow_the_scheme() {
        let url = |text| Url::parse(text).unwrap();
        assert_eq!(url("https://a.test").port(), Some(443));
        assert_eq!(url("h2c://a.test").port(), Some(80));
        assert_eq!((url("http://[::1]:8080").host(), url("http://[::1]:8080").port()), ("::1", Some(8080)));
        assert_eq!(url("http://[::1]:8080").at_port(9).authority, "[::1]:9");
        assert_eq!(url("http://a.test").at_port(9).authority, "a.test:9");
        assert_eq!(url("http://a.test:99999").port(), None);
    }
}
