//! Cookies that bind a client to a server or service, named and valued as Traefik does, so that a switch loses no session.

use crate::limits::STICKY_COOKIES_MAX;
use crate::message::RequestHead;
use baton_routing::config::Cookie;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Stickiness of one balancer or weighted service.
#[derive(Debug)]
pub(crate) struct Sticky {
    name: String,
    /// Per member: the cookie value and the name, which older cookies hold.
    values: Vec<(String, Box<str>)>,
    attributes: String,
}

impl Sticky {
    /// Stickiness of the service `service` by `cookie`, to members of these names (a server's is its URL).
    pub(crate) fn new<'a>(service: &str, cookie: &Cookie, members: impl Iterator<Item = &'a str>) -> Self {
        let name = match cookie.name.as_str() {
            "" => format!("_{}", &hex(&Sha1::digest(format!("_TRAEFIK_BACKEND_{service}")))[..5]),
            name => name.to_owned(),
        };
        let values =
            members.map(|member| (hex(&Sha256::digest(member.as_bytes()))[..16].to_owned(), member.into())).collect();
        let mut attributes = format!("; Path={}", cookie.path.as_deref().unwrap_or("/"));
        if !cookie.domain.is_empty() {
            attributes += &format!("; Domain={}", cookie.domain);
        }
        if cookie.max_age != 0 {
            attributes += &format!("; Max-Age={}", cookie.max_age.max(0));
        }
        if cookie.http_only {
            attributes += "; HttpOnly";
        }
        if cookie.secure {
            attributes += "; Secure";
        }
        match cookie.same_site.to_ascii_lowercase().as_str() {
            "none" => attributes += "; SameSite=None",
            "lax" => attributes += "; SameSite=Lax",
            "strict" => attributes += "; SameSite=Strict",
            _ => {}
        }
        Self { name, values, attributes }
    }

    /// The member that a request's cookie names.
    pub(crate) fn bound(&self, head: &RequestHead<'_>) -> Option<usize> {
        head.fields
            .all("cookie")
            .filter_map(|line| std::str::from_utf8(line).ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .take(STICKY_COOKIES_MAX)
            .find_map(|(_, value)| {
                let value = value.trim_matches('"');
                self.values.iter().position(|(hash, name)| hash == value || **name == *value)
            })
    }

    /// The `Set-Cookie` value that binds to a member.
    pub(crate) fn set_cookie(&self, index: usize) -> String {
        format!("{}={}{}", self.name, self.values[index].0, self.attributes)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
