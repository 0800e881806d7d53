//! From the bytes of a request head to what is to be done with it.
//!
//! Both protocols share the second half: [`Intake::route`] finds the plan, applies what every request is subject to, and
//! runs the head filters of fast routes.

use super::relay::Relay;
use super::respond::{Framed, Outcome};
use crate::balance::InFlight;
use crate::core::Core;
use crate::exchange::{Info, Peer};
use crate::forward::{accept_request, append_forwarded_for};
use crate::h1::{BodyReader, BodyWriter, Framing, Malformed, ParsedRequest, parse_request, write_request};
use crate::io::Outgoing;
use crate::message::{Known, RequestHead, ResponseHead, Version};
use crate::middleware::{Failure, Flow, Layer, Request, Response};
use crate::normalize::{routing_host, routing_path};
use crate::snapshot::{EntryPoint, Plan, Snapshot, View};
use bytes::Bytes;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

/// The connection preface of HTTP/2 (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a request head turned into.
pub(super) enum Next {
    /// The client is gone or idle for too long.
    Closed,
    /// The client speaks HTTP/2.
    Http2,
    /// Not acceptable: answer this and close.
    Refused(u16),
    /// Answered without a server.
    Answer(Box<Answered>),
    /// Relay it.
    Relay(Box<Relay>),
    /// Run the chain.
    Generic(Box<Wanted>),
}

/// A request that a filter, or the lack of a route, answered.
pub(super) struct Answered {
    /// The answer.
    pub response: Response,
    /// Facts of the exchange.
    pub framed: Framed,
    /// What the request's body looks like.
    pub framing: Framing,
}

/// A request for the generic path.
pub(super) struct Wanted {
    /// The configuration it was routed by.
    pub snapshot: View,
    /// Its plan, an index of the snapshot's.
    pub plan: usize,
    /// The request, without its body.
    pub request: Request,
    /// How the body is framed.
    pub framing: Framing,
    /// The client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Facts of the exchange.
    pub framed: Framed,
}

/// What the access log will say about a request; kept only when there is a log.
#[derive(Debug)]
pub struct Draft {
    method: String,
    host: String,
    target: String,
    version: Version,
    referer: Option<String>,
    user_agent: Option<String>,
    started: Instant,
}

impl Draft {
    /// Notes a request.
    pub fn new(head: &RequestHead<'_>) -> Self {
        Self {
            method: head.method.to_string(),
            host: head.host.to_string(),
            target: head.target().into_owned(),
            version: head.version,
            referer: head.fields.get_str("referer").map(str::to_owned),
            user_agent: head.fields.get_str("user-agent").map(str::to_owned),
            started: Instant::now(),
        }
    }

    /// Hands the finished request to the log.
    pub(crate) fn finish(&self, core: &Core, framed: &Framed, entry_point: &EntryPoint, outcome: Outcome<'_>) {
        let Some(log) = &core.shared.access_log else { return };
        let plan = framed.plan();
        let Outcome { server, status, bytes_out } = outcome;
        log.record(&crate::access::AccessEntry {
            peer: &framed.peer,
            entry_point: &entry_point.name,
            method: &self.method,
            host: &self.host,
            target: &self.target,
            protocol: match self.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
                Version::Http2 => "HTTP/2.0",
            },
            status,
            bytes_out,
            router: plan.map(|plan| &*plan.route.name),
            service: plan.map(|plan| &*plan.service.name),
            server,
            duration: self.started.elapsed(),
            referer: self.referer.as_deref(),
            user_agent: self.user_agent.as_deref(),
        });
    }
}

/// A request head as rules see it.
pub struct Lookup<'a, 'b> {
    head: &'a RequestHead<'b>,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    ip: IpAddr,
}

impl<'a, 'b> Lookup<'a, 'b> {
    /// The view of `head`.
    pub fn new(head: &'a RequestHead<'b>, ip: IpAddr) -> Self {
        Self { head, host: routing_host(&head.host), path: routing_path(&head.path), ip }
    }
}

impl baton_routing::Request for Lookup<'_, '_> {
    fn host(&self) -> &str {
        &self.host
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn method(&self) -> &str {
        &self.head.method
    }

    fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.head
            .fields
            .iter()
            .filter(move |field| field.name.as_str().eq_ignore_ascii_case(name))
            .map(|field| field.value.as_bytes())
    }

    fn query(&self) -> &str {
        self.head.query.as_deref().unwrap_or("")
    }

    fn client_ip(&self) -> IpAddr {
        self.ip
    }
}

/// Where a request goes.
pub(super) enum Routed {
    /// To this plan.
    Plan(usize),
    /// Nowhere: this answer.
    Answer(Response),
}

/// Finds the plan for a request, after the checks that hold for every request.
pub(super) fn route(snapshot: &Snapshot, peer: &Peer, head: &RequestHead<'_>) -> Routed {
    let Some(routes) = snapshot.routes(peer.entry_point) else {
        return Routed::Answer(Response::text(404, "404 page not found\n"));
    };
    let lookup = Lookup::new(head, peer.ip());
    if let Some(tls) = &peer.tls {
        let options = |name: &str| routes.tls_hosts.get(name).map_or("default", |options| &*options.name);
        if options(&lookup.host) != &*tls.options {
            return Routed::Answer(Response::text(421, "Misdirected Request\n"));
        }
    }
    match routes.matcher(peer.is_secure()).lookup(&lookup) {
        Some(id) if snapshot.plans[id.0 as usize].closed => Routed::Answer(Response::status(503)),
        Some(id) => Routed::Plan(id.0 as usize),
        None => Routed::Answer(Response::text(404, "404 page not found\n")),
    }
}

/// Reads one request from `input`: what to do, and how many bytes were used. `None` when more bytes are needed.
pub(super) fn read(core: &Rc<Core>, peer: &Rc<Peer>, input: &[u8], first: bool) -> Option<(Next, usize)> {
    if first && input[..input.len().min(PREFACE.len())] == PREFACE[..input.len().min(PREFACE.len())] && input.len() >= 4
    {
        return (input.len() >= PREFACE.len()).then_some((Next::Http2, 0));
    }
    let snapshot = core.snapshot();
    let Some(entry_point) = snapshot.entry_point(peer.entry_point) else { return Some((Next::Closed, 0)) };
    let parsed = match parse_request(input, entry_point.header_bytes) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return None,
        Err(Malformed::TooLarge) => return Some((Next::Refused(431), 0)),
        Err(Malformed::Version) => return Some((Next::Refused(505), 0)),
        Err(_) => return Some((Next::Refused(400), 0)),
    };
    let used = parsed.length;
    Some((classify(core, peer, &snapshot, entry_point, parsed), used))
}

fn classify(
    core: &Rc<Core>,
    peer: &Rc<Peer>,
    snapshot: &View,
    entry_point: &EntryPoint,
    parsed: ParsedRequest<'_>,
) -> Next {
    if parsed.method == "CONNECT" {
        return Next::Refused(501);
    }
    let Some((host, target)) = split_target(parsed.target, parsed.host.unwrap_or("")) else {
        return Next::Refused(400);
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if query.is_some_and(|query| query.contains('#')) {
        return Next::Refused(400);
    }
    let Some(path) = entry_point.paths.clean(path) else { return Next::Refused(400) };
    if target == "*" && parsed.method != "OPTIONS" {
        return Next::Refused(400);
    }
    let upgrade = parsed.fields.known(Known::Upgrade).filter(|protocols| parsed.upgrade && may_pass(protocols));
    let upgrade = upgrade.map(Bytes::copy_from_slice);
    let mut head = RequestHead {
        method: Cow::Borrowed(parsed.method),
        path,
        query: query.map(|query| entry_point.paths.query(query)),
        host: Cow::Borrowed(host),
        version: parsed.version,
        fields: parsed.fields,
    };
    accept_request(
        &mut head,
        peer,
        &core.shared.hostname,
        parsed.has_connection,
        parsed.te_trailers,
        upgrade.is_some(),
    );
    let framed = Framed {
        snapshot: snapshot.clone(),
        plan: None,
        peer: peer.clone(),
        http10: parsed.version == Version::Http10,
        is_head: parsed.method == "HEAD",
        keep_alive: parsed.keep_alive,
        draft: core.shared.access_log.is_some().then(|| Box::new(Draft::new(&head))),
    };
    let answer = |response, framed| Next::Answer(Box::new(Answered { response, framed, framing: parsed.framing }));
    let index = match route(snapshot, peer, &head) {
        Routed::Plan(index) => index,
        Routed::Answer(response) => return answer(response, framed),
    };
    let framed = Framed { plan: Some(index), ..framed };
    let plan = &snapshot.plans[index];
    let mut info = Info::new(peer.clone(), upgrade.is_some());
    if !plan.fast || core.shared.force_generic {
        let request = Request { head: head.into_owned(), body: crate::body::Body::Empty, info: Rc::new(info), upgrade };
        let wanted = Wanted {
            snapshot: snapshot.clone(),
            plan: index,
            request,
            framing: parsed.framing,
            expects_continue: parsed.expect_continue,
            framed,
        };
        return Next::Generic(Box::new(wanted));
    }
    if let Some(response) = filter_request(plan, &mut head, &mut info) {
        return answer(response, framed);
    }
    let Some((balancer, pick)) = plan.service.pick(&head, &peer.ip_text) else {
        let mut response = Response::failed(Failure::NoServer);
        filter_response(plan, plan.layers.len(), &mut response.head, &info);
        return answer(response, framed);
    };
    append_forwarded_for(&mut head.fields, peer);
    let server = &pick.server;
    let host = if balancer.config.pass_host_header { &head.host } else { &*server.authority };
    let target = if server.path.is_empty() {
        Cow::Borrowed(&*head.path)
    } else {
        Cow::Owned(format!("{}{}", server.path, head.path))
    };
    let mut out = Outgoing::of(core.buffer());
    write_request(&head, &target, host, parsed.framing, upgrade.as_deref(), &mut out.data);
    Next::Relay(Box::new(Relay {
        info,
        in_flight: InFlight::at(server),
        set_cookie: pick.set_cookie,
        out,
        reader: BodyReader::new(parsed.framing),
        writer: if parsed.framing == Framing::Chunked { BodyWriter::Chunked } else { BodyWriter::Plain },
        replayable: crate::upstream::replayable(&head),
        expects_continue: parsed.expect_continue,
        upgrade: upgrade.is_some(),
        framed,
    }))
}

/// Whether an upgrade may be asked of a server. HTTP/2 may not: what the client then says in it would reach the server
/// unseen, past rules and middlewares.
fn may_pass(protocols: &[u8]) -> bool {
    protocols.split(|byte| *byte == b',').all(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default().trim_ascii();
        !["h2c", "h2", "http"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Host and origin-form target of a request line; `None` for a form that no method of ours has.
fn split_target<'b>(target: &'b str, host: &'b str) -> Option<(&'b str, &'b str)> {
    if target.starts_with('/') || target == "*" {
        return Some((host, target));
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let valid = !authority.is_empty() && !authority.contains('@') && crate::h1::valid_host(authority);
    match path {
        _ if !valid => None,
        "" => Some((authority, "/")),
        path if path.starts_with('/') => Some((authority, path)),
        _ => None,
    }
}

/// Runs a fast route's filters over a request; the answer of one of them, edited by those before it.
pub(super) fn filter_request(plan: &Plan, head: &mut RequestHead<'_>, info: &mut Info) -> Option<Response> {
    for (index, layer) in plan.layers.iter().enumerate() {
        if let Layer::Head(filter) = layer
            && let Flow::Answer(response) = filter.request(head, info)
        {
            let mut response = *response;
            filter_response(plan, index, &mut response.head, info);
            return Some(response);
        }
    }
    None
}

/// Runs the first `count` filters over a response, innermost first.
pub(super) fn filter_response(plan: &Plan, count: usize, head: &mut ResponseHead<'_>, info: &Info) {
    for layer in plan.layers[..count].iter().rev() {
        if let Layer::Head(filter) = layer {
            filter.response(head, info);
        }
    }
}
