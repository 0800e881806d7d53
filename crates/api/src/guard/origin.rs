//! Requests that a browser sends on behalf of a web page.
//!
//! Programs (curl, the CLIs, python-nomad) send none of these headers. Browsers send `Origin` with every cross-origin
//! request that is not a plain read, and newer ones say by `Sec-Fetch-Site` where the page came from.

use axum::http::{HeaderMap, header};

/// Why the request must not be obeyed, if a page from elsewhere caused it. `host` is the checked `Host`.
pub(super) fn foreign(headers: &HeaderMap, host: &str) -> Option<String> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Some(format!("refused: sent by a web page ({site})"));
    }
    if let Some(origin) = text(header::ORIGIN.as_str()) {
        return (!same_host(origin, host)).then(|| format!("refused: sent by a web page of {origin:?}"));
    }
    if let Some(page) = text(header::REFERER.as_str()) {
        return (!same_host(page, host)).then(|| format!("refused: sent by the web page {page:?}"));
    }
    None
}

fn same_host(url: &str, host: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn programs_and_own_pages_pass() {
        let host = "127.0.0.1:4646";
        for pairs in [
            &[][..],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[("origin", "http://127.0.0.1:4646")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:4646")],
            &[("sec-fetch-site", "none")],
            &[("referer", "http://127.0.0.1:4646/ui/jobs")],
        ] {
            assert_eq!(foreign(&headers(pairs), host), None, "{pairs:?}");
        }
    }

    #[test]
    fn pages_from_elsewhere_do_not() {
        let host = "127.0.0.1:4646";
        for pairs in [
            &[("origin", "http://evil.example.org")][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:8080")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:4646")],
            &[("referer", "http://evil.example.org/127.0.0.1:4646")],
            &[("origin", "http://127.0.0.1:4646.evil.org")],
        ] {
            assert!(foreign(&headers(pairs), host).is_some(), "{pairs:?}");
        }
    }
}
