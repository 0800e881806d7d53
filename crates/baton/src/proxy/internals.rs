//! `api@internal`, `dashboard@internal`, `prometheus@internal`: what the proxy says about itself; and `noop@internal`.
//!
//! Both look at a [`View`], replaced whenever a configuration is applied; a request sees one picture.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION};
use baton_proxy::EngineHandle;
use baton_proxy::body::Body;
use baton_proxy::message::Fields;
use baton_proxy::middleware::{LocalFuture, Request, Response};
use baton_proxy::service::{InternalService, Kind};
use baton_proxy::snapshot::{Internals, Snapshot};
use baton_routing::config::Internal;
use baton_traefik::api::{ApiResponse, CertificateInfo, RuntimeView, handle};
use baton_traefik::static_config::StaticConfig;

use super::observe::{Metrics, Now, certificates};

/// The dashboard: one page that reads the API.
const PAGE: &str = include_str!("dashboard.html");
/// Prometheus' text exposition format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The page may talk to its own origin only.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// What there is to see.
#[derive(Default)]
pub struct View(ArcSwapOption<Shown>);

struct Shown {
    fixed: StaticConfig,
    snapshot: Arc<Snapshot>,
    start_date: String,
    certificates: Vec<CertificateInfo>,
    engine: Weak<EngineHandle>,
}

impl View {
    /// Shows what the engine serves now.
    pub fn show(&self, fixed: &StaticConfig, engine: &Arc<EngineHandle>) {
        let earlier = self.0.load();
        let start_date =
            earlier.as_ref().map_or_else(|| jiff::Timestamp::now().to_string(), |shown| shown.start_date.clone());
        let (snapshot, now) = (engine.snapshot(), jiff::Timestamp::now());
        let configured = snapshot.tls.certificates.configured().iter();
        self.0.store(Some(Arc::new(Shown {
            fixed: fixed.clone(),
            start_date,
            certificates: configured.filter_map(|key| certificates::describe(key, now)).collect(),
            engine: Arc::downgrade(engine),
            snapshot,
        })));
    }

    /// Shows nothing any more.
    pub fn clear(&self) {
        self.0.store(None);
    }
}

/// The services, for the engine.
pub fn all(view: &Arc<View>, metrics: Option<&Arc<Metrics>>) -> Internals {
    let api: Arc<dyn InternalService> = Arc::new(Api(Arc::clone(view)));
    let mut all = Internals::from([
        (Internal::Api, Arc::clone(&api)),
        (Internal::Dashboard, api),
        (Internal::Noop, Arc::new(Noop)),
    ]);
    if let Some(metrics) = metrics {
        all.insert(Internal::Prometheus, Arc::new(Page { view: Arc::clone(view), metrics: Arc::clone(metrics) }));
    }
    all
}

/// Stands behind routers whose middlewares answer everything; what comes through gets the teapot's answer, as in Traefik.
struct Noop;

impl InternalService for Noop {
    fn handle<'a>(&'a self, _: Request) -> LocalFuture<'a, Response> {
        Box::pin(async { Response::status(418) })
    }
}

/// The metrics.
struct Page {
    view: Arc<View>,
    metrics: Arc<Metrics>,
}

impl InternalService for Page {
    fn handle<'a>(&'a self, _: Request) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let Some(shown) = self.view.0.load_full() else { return Response::status(503) };
            let now = Now {
                traffic: shown.engine.upgrade().map(|engine| engine.traffic()),
                snapshot: &shown.snapshot,
                certificates: &shown.certificates,
            };
            let mut fields = Fields::with_capacity(1);
            fields.push(CONTENT_TYPE, METRICS_TYPE);
            Response::new(200, fields, Body::from(bytes::Bytes::from(self.metrics.page(&now))))
        })
    }
}

/// Serves the API, the dashboard's page, and the way from one to the other; in Traefik too both services do all of it.
struct Api(Arc<View>);

impl InternalService for Api {
    fn handle<'a>(&'a self, request: Request) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let Some(shown) = self.0.0.load_full() else { return Response::status(503) };
            let target = request.head.target().into_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let base = shown.fixed.api.as_ref().map_or("", |api| api.base_path.trim_end_matches('/'));
            let dashboard = shown.fixed.api.as_ref().is_some_and(|api| api.dashboard);
            let rest = path.strip_prefix(base).unwrap_or(path);
            match rest {
                "/" if dashboard => redirect(&format!("{base}/dashboard/")),
                _ if dashboard && rest.starts_with("/dashboard/") => page(),
                _ => answer(shown.api(&request.head.method, path, query)),
            }
        })
    }
}

impl Shown {
    fn api(&self, method: &str, path: &str, query: &str) -> ApiResponse {
        let up = |service: &str, url: &str| {
            let Kind::Balancer(balancer) = &self.snapshot.services.get(service)?.kind else { return None };
            balancer.servers.iter().find(|server| *server.url == *url).map(|server| server.is_healthy())
        };
        let view = RuntimeView {
            version: env!("CARGO_PKG_VERSION"),
            start_date: &self.start_date,
            fixed: &self.fixed,
            report: &self.snapshot.table.report,
            server_up: &up,
            certificates: &self.certificates,
        };
        handle(method, path, query, &view)
    }
}

fn answer(answer: ApiResponse) -> Response {
    let mut fields = Fields::with_capacity(answer.headers.len());
    for (name, value) in answer.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            fields.push(name, value);
        }
    }
    Response::new(answer.status, fields, Body::from(bytes::Bytes::from(answer.body)))
}

fn page() -> Response {
    let mut fields = Fields::with_capacity(2);
    fields.push(CONTENT_TYPE, "text/html; charset=utf-8");
    fields.push(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Response::new(200, fields, PAGE)
}

fn redirect(to: &str) -> Response {
    let mut fields = Fields::with_capacity(1);
    fields.push(LOCATION, to.to_owned());
    Response::new(302, fields, "")
}
