//! Which paths exist, what methods they take, and which of them need a token.

use axum::http::Method;

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    AgentSelf,
    AgentMembers,
    AgentForceLeave,
    AgentServices,
    AgentService,
    AgentServiceRegister,
    AgentServiceDeregister,
    AgentServiceMaintenance,
    AgentMaintenance,
    AgentHealthById,
    AgentHealthByName,
    AgentChecks,
    AgentCheckRegister,
    AgentCheckDeregister,
    AgentCheckPass,
    AgentCheckWarn,
    AgentCheckFail,
    AgentCheckUpdate,
    CatalogDatacenters,
    CatalogNodes,
    CatalogNode,
    CatalogNodeServices,
    CatalogServices,
    CatalogService,
    CatalogRegister,
    CatalogDeregister,
    Connect,
    ConnectCa,
    HealthService,
    HealthChecks,
    HealthNode,
    HealthState,
    Kv,
    Txn,
    SessionCreate,
    SessionDestroy,
    SessionRenew,
    SessionInfo,
    SessionNode,
    SessionList,
    Drain,
    EventFire,
    EventList,
    StatusLeader,
    StatusPeers,
    RaftConfiguration,
    CoordinateDatacenters,
    EmptyList,
    PreparedQueries,
    Acl,
    /// Known to Consul, not done here; the text says what to do instead.
    Unsupported(&'static str),
}

/// Who may call: everybody on loopback, or the holder of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    Token,
    /// Everybody on loopback may write, too: proxies have no token, and all that a wrong count can do is to delay a stop, or
    /// not to delay it.
    Counts,
}

struct Route {
    /// Below `/v1/`; one that ends with `/` takes everything behind it.
    path: &'static str,
    methods: &'static [Method],
    access: Access,
    endpoint: Endpoint,
}

const GET: &[Method] = &[Method::GET];
const PUT: &[Method] = &[Method::PUT];
const ANY: &[Method] = &[Method::GET, Method::PUT, Method::POST, Method::DELETE];

const fn open(path: &'static str, endpoint: Endpoint) -> Route {
    Route { path, methods: GET, access: Access::Open, endpoint }
}

const fn write(path: &'static str, endpoint: Endpoint) -> Route {
    Route { path, methods: PUT, access: Access::Token, endpoint }
}

const fn token(path: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Route {
    Route { path, methods, access: Access::Token, endpoint }
}

const NO_CONFIGURATION: &str = "the embedded catalog has no configuration of its own to reload";
const NO_MEMBERSHIP: &str = "nodes join and leave with their agents; see the agent's configuration";
const NO_SNAPSHOT: &str = "snapshots are taken of the whole agent's state, not of the catalog";
const NO_QUERIES: &str = "prepared queries are not supported; ask /v1/health/service with a filter";
const NO_MONITOR: &str = "read the agent's own log instead";

/// The first route that fits wins.
const ROUTES: &[Route] = &[
    open("agent/self", Endpoint::AgentSelf),
    open("agent/members", Endpoint::AgentMembers),
    open("agent/services", Endpoint::AgentServices),
    open("agent/checks", Endpoint::AgentChecks),
    open("agent/health/service/id/", Endpoint::AgentHealthById),
    open("agent/health/service/name/", Endpoint::AgentHealthByName),
    write("agent/service/register", Endpoint::AgentServiceRegister),
    write("agent/service/deregister/", Endpoint::AgentServiceDeregister),
    write("agent/service/maintenance/", Endpoint::AgentServiceMaintenance),
    open("agent/service/", Endpoint::AgentService),
    write("agent/maintenance", Endpoint::AgentMaintenance),
    write("agent/check/register", Endpoint::AgentCheckRegister),
    write("agent/check/deregister/", Endpoint::AgentCheckDeregister),
    write("agent/check/pass/", Endpoint::AgentCheckPass),
    write("agent/check/warn/", Endpoint::AgentCheckWarn),
    write("agent/check/fail/", Endpoint::AgentCheckFail),
    write("agent/check/update/", Endpoint::AgentCheckUpdate),
    write("agent/force-leave/", Endpoint::AgentForceLeave),
    write("agent/reload", Endpoint::Unsupported(NO_CONFIGURATION)),
    write("agent/leave", Endpoint::Unsupported(NO_MEMBERSHIP)),
    write("agent/join/", Endpoint::Unsupported(NO_MEMBERSHIP)),
    token("agent/monitor", GET, Endpoint::Unsupported(NO_MONITOR)),
    open("agent/connect/ca/", Endpoint::ConnectCa),
    open("catalog/datacenters", Endpoint::CatalogDatacenters),
    open("catalog/nodes", Endpoint::CatalogNodes),
    open("catalog/node/", Endpoint::CatalogNode),
    open("catalog/node-services/", Endpoint::CatalogNodeServices),
    open("catalog/services", Endpoint::CatalogServices),
    open("catalog/service/", Endpoint::CatalogService),
    open("catalog/connect/", Endpoint::Connect),
    write("catalog/register", Endpoint::CatalogRegister),
    write("catalog/deregister", Endpoint::CatalogDeregister),
    open("health/service/", Endpoint::HealthService),
    open("health/checks/", Endpoint::HealthChecks),
    open("health/node/", Endpoint::HealthNode),
    open("health/state/", Endpoint::HealthState),
    open("health/connect/", Endpoint::Connect),
    token("kv/", &[Method::GET, Method::PUT, Method::DELETE], Endpoint::Kv),
    write("txn", Endpoint::Txn),
    write("session/create", Endpoint::SessionCreate),
    write("session/destroy/", Endpoint::SessionDestroy),
    write("session/renew/", Endpoint::SessionRenew),
    open("session/info/", Endpoint::SessionInfo),
    open("session/node/", Endpoint::SessionNode),
    open("session/list", Endpoint::SessionList),
    Route {
        path: "baton/drain/",
        methods: &[Method::GET, Method::PUT],
        access: Access::Counts,
        endpoint: Endpoint::Drain,
    },
    write("event/fire/", Endpoint::EventFire),
    // Payloads are as private as values.
    token("event/list", GET, Endpoint::EventList),
    open("status/leader", Endpoint::StatusLeader),
    open("status/peers", Endpoint::StatusPeers),
    open("operator/raft/configuration", Endpoint::RaftConfiguration),
    open("coordinate/datacenters", Endpoint::CoordinateDatacenters),
    open("coordinate/nodes", Endpoint::EmptyList),
    open("config/", Endpoint::EmptyList),
    open("query", Endpoint::PreparedQueries),
    token("query/", ANY, Endpoint::Unsupported(NO_QUERIES)),
    open("connect/ca/", Endpoint::ConnectCa),
    token("acl/", ANY, Endpoint::Acl),
    token("snapshot", &[Method::GET, Method::PUT], Endpoint::Unsupported(NO_SNAPSHOT)),
];

pub(super) struct Found<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) methods: &'static [Method],
    /// The path behind the route's, still percent-encoded.
    pub(super) rest: &'a str,
}

fn route(path: &str) -> Option<(&'static Route, &str)> {
    let path = path.strip_prefix("/v1/")?;
    ROUTES.iter().find_map(|route| {
        let rest = path.strip_prefix(route.path)?;
        (route.path.ends_with('/') || rest.is_empty()).then_some((route, rest))
    })
}

pub(super) fn find(path: &str) -> Option<Found<'_>> {
    route(path).map(|(route, rest)| Found { endpoint: route.endpoint, methods: route.methods, rest })
}

/// Whether a request must carry the token where tokens are in force. Lists, health and status are open; values,
/// payloads and every write are not. What does not exist is open: it answers 404.
pub fn needs_token(method: &Method, path: &str) -> bool {
    if *method == Method::OPTIONS {
        return false;
    }
    match route(path) {
        Some((route, _)) => match route.access {
            Access::Counts => false,
            Access::Open => *method != Method::GET,
            Access::Token => true,
        },
        None => *method != Method::GET,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_open_values_and_writes_are_not() {
        for path in [
            "/v1/agent/self",
            "/v1/agent/service/web",
            "/v1/catalog/services",
            "/v1/catalog/service/web",
            "/v1/health/service/web",
            "/v1/health/state/any",
            "/v1/session/list",
            "/v1/status/leader",
            "/nothing",
        ] {
            assert!(!needs_token(&Method::GET, path), "{path}");
            assert!(needs_token(&Method::PUT, path), "{path}");
            assert!(needs_token(&Method::DELETE, path), "{path}");
        }
        for path in ["/v1/kv/", "/v1/kv/a/b", "/v1/event/list", "/v1/snapshot", "/v1/acl/tokens"] {
            assert!(needs_token(&Method::GET, path), "{path}");
        }
        assert!(!needs_token(&Method::OPTIONS, "/v1/kv/a"));
        assert!(!needs_token(&Method::PUT, "/v1/baton/drain/web"));
    }

    #[test]
    fn every_route_that_takes_another_method_than_get_needs_the_token() {
        for route in ROUTES {
            let writes = route.methods.iter().any(|method| *method != Method::GET);
            assert!(!writes || route.access != Access::Open, "{}", route.path);
        }
    }

    #[test]
    fn routes_end_where_they_say() {
        assert!(find("/v1/agent/leaveX").is_none());
        assert!(find("/v1/nope").is_none());
        assert!(find("/v1").is_none());
        assert!(find("/").is_none());
        let found = find("/v1/kv/a%2Fb/c").unwrap();
        assert_eq!((found.endpoint, found.rest), (Endpoint::Kv, "a%2Fb/c"));
        assert_eq!(find("/v1/agent/service/register").unwrap().endpoint, Endpoint::AgentServiceRegister);
        assert_eq!(find("/v1/agent/service/registered").unwrap().endpoint, Endpoint::AgentService);
    }
}
