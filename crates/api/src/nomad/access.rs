//! Which requests need a token where tokens are in force.

use axum::http::Method;

/// Lists, status, health and metrics are open. Whatever shows a task's environment, files, logs or the whole state is
/// not, and no write is. What does not exist answers 404 to everybody.
pub fn needs_token(method: &Method, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/v1/") else { return false };
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    if *method != Method::GET && *method != Method::HEAD {
        // Searching changes nothing and shows ids only; it is a write by its verb alone.
        return *method != Method::OPTIONS && !matches!(parts.as_slice(), ["search"] | ["search", "fuzzy"]);
    }
    match parts.as_slice() {
        // A job holds the environment and the templates of its tasks.
        ["job", _] | ["job", _, "versions" | "submission"] | ["allocation", _] | ["node", _, "allocations"] => true,
        ["event", "stream"] | ["operator", "snapshot"] => true,
        ["client", "fs", ..] | ["client", "gc"] | ["client", "allocation", _, "gc" | "exec"] => true,
        ["var", ..] | ["acl", ..] | ["baton", "catalog"] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_open_contents_and_writes_are_not() {
        for path in [
            "/v1/jobs",
            "/v1/job/web/summary",
            "/v1/job/web/allocations",
            "/v1/allocations",
            "/v1/nodes",
            "/v1/node/1",
            "/v1/metrics",
            "/v1/agent/self",
            "/v1/status/leader",
            "/v1/deployments",
            "/v1/client/allocation/1/stats",
        ] {
            assert!(!needs_token(&Method::GET, path), "{path}");
            assert!(needs_token(&Method::PUT, path), "{path}");
        }
        for path in [
            "/v1/job/web",
            "/v1/job/web/",
            "/v1/job/a%2Fb",
            "/v1/job/web/versions",
            "/v1/job/web/submission",
            "/v1/allocation/1",
            "/v1/node/1/allocations",
            "/v1/client/fs/logs/1",
            "/v1/client/fs/cat/1",
            "/v1/client/gc",
            "/v1/event/stream",
            "/v1/operator/snapshot",
            "/v1/baton/catalog",
        ] {
            assert!(needs_token(&Method::GET, path), "{path}");
        }
        assert!(!needs_token(&Method::PUT, "/v1/search"));
        assert!(needs_token(&Method::DELETE, "/v1/job/web"));
    }
}
