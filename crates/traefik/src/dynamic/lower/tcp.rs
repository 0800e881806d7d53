//! `tcp` and `udp`: routers, services, middlewares and transports.

use baton_routing::{
    Kind,
    config::{TcpLoadBalancer, TcpMiddleware, TcpRouter, TcpServersTransport, TcpService, UdpRouter, UdpService},
    problem,
};

use super::{Reader, Unknown};
use crate::{
    document::{Entry, Node},
    rules,
};

impl Reader<'_> {
    pub(super) fn tcp(&mut self, section: &Node) {
        self.keys(section, "tcp", &["routers", "services", "middlewares", "serversTransports"]);
        self.out.config.tcp.routers = self.each(section, "tcp.routers", Kind::TcpRouter, Self::tcp_router);
        self.out.config.tcp.services = self.each(section, "tcp.services", Kind::TcpService, |r, name, entry, path| {
            let service = r.one_of(Kind::TcpService, name, entry, path).unwrap_or(TcpService::Invalid);
            if let TcpService::LoadBalancer(TcpLoadBalancer { proxy_protocol: Some(protocol), .. }) = &service
                && !(1..=2).contains(&protocol.version)
            {
                let message = format!("unknown proxyProtocol version: {}", protocol.version);
                r.problem(Kind::TcpService, name, problem::Severity::Disabled, &message);
                r.error(&entry.at, path, message, None);
            }
            service
        });
        self.out.config.tcp.middlewares =
            self.each(section, "tcp.middlewares", Kind::TcpMiddleware, |r, name, entry, path| {
                r.one_of(Kind::TcpMiddleware, name, entry, path).unwrap_or(TcpMiddleware::Invalid)
            });
        self.out.config.tcp.servers_transports =
            self.each(section, "tcp.serversTransports", Kind::TcpServersTransport, |r, name, entry, path| {
                let tls = entry.value.get("tls").map(|tls| &tls.value);
                r.spiffe(
                    Kind::TcpServersTransport,
                    name,
                    tls.and_then(|tls| tls.get("spiffe")),
                    &format!("{path}.tls"),
                );
                r.record::<TcpServersTransport>(Kind::TcpServersTransport, name, entry, path, Unknown::Closes)
            });
    }

    pub(super) fn udp(&mut self, section: &Node) {
        self.keys(section, "udp", &["routers", "services"]);
        self.out.config.udp.routers = self.each(section, "udp.routers", Kind::UdpRouter, |r, name, entry, path| {
            r.record::<UdpRouter>(Kind::UdpRouter, name, entry, path, Unknown::Closes)
        });
        self.out.config.udp.services = self.each(section, "udp.services", Kind::UdpService, |r, name, entry, path| {
            let service = r.one_of(Kind::UdpService, name, entry, path).unwrap_or(UdpService::Invalid);
            let servers = match &service {
                UdpService::LoadBalancer(balancer) => balancer.servers.as_slice(),
                _ => &[],
            };
            for server in servers.iter().filter(|server| !server.address.contains(':')) {
                let message = format!("server address {:?}: missing port in address", server.address);
                r.problem(Kind::UdpService, name, problem::Severity::Warning, &message);
                r.error(&entry.at, path, message, None);
            }
            service
        });
    }

    fn tcp_router(&mut self, name: &str, entry: &Entry, path: &str) -> TcpRouter {
        let mut router: TcpRouter = self.record(Kind::TcpRouter, name, entry, path, Unknown::Closes);
        let syntax = self.syntax_of(Kind::TcpRouter, name, entry, path, &router.rule_syntax);
        match rules::parse_tcp(&router.rule, syntax) {
            Ok(parsed) => router.matcher = Some(parsed.rule),
            Err(error) => self.rule_error(Kind::TcpRouter, name, entry, path, &router.rule, error),
        }
        router
    }
}
