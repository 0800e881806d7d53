//! TLS: which certificate, which options, who is refused.

use crate::support::*;
use baton_proxy::tls;
use baton_routing::Rule;
use baton_routing::config::{
    Certificate, ClientAuth, ClientCertInfo, Config, EntryPoint, Middleware, PassTlsClientCert, Router, RouterTls,
    Server, ServersTransport, Service, TlsOptions,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A key pair and certificate for `names`, as PEM texts.
pub(crate) fn certificate(names: &[&str]) -> Certificate {
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    Certificate { cert_file: made.cert.pem(), key_file: made.signing_key.serialize_pem(), stores: Vec::new() }
}

/// Adds the TLS entry point `websecure` and a route there for each host.
pub(crate) fn secure(config: &mut Config, hosts: &[(&str, &str)]) {
    config
        .entry_points
        .insert("websecure".into(), EntryPoint { address: "127.0.0.1:0".into(), ..EntryPoint::default() });
    for (host, options) in hosts {
        let router = Router {
            entry_points: vec!["websecure".into()],
            rule: format!("Host(`{host}`)"),
            service: "app@file".into(),
            tls: Some(RouterTls { options: (*options).into(), ..RouterTls::default() }),
            matcher: Some(Rule::Host((*host).into())),
            ..Router::default()
        };
        config.http.routers.insert(format!("tls-{host}@file"), router);
    }
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client configuration that trusts everyone.
pub(crate) fn trusting(alpn: &[&str], identity: Option<&Certificate>) -> ClientConfig {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(tls::provider())).with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting));
    let mut config = match identity {
        Some(identity) => {
            let chain = vec![CertificateDer::from_pem_slice(identity.cert_file.as_bytes()).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(identity.key_file.as_bytes()).unwrap())
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Shakes hands as `name`; an IP address sends no name.
fn connect(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn ask(stream: &mut StreamOwned<ClientConnection, TcpStream>, host: &str) -> io::Result<String> {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn leaf(stream: &StreamOwned<ClientConnection, TcpStream>) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn der(certificate: &Certificate) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.cert_file.as_bytes()).unwrap().to_vec()
}

#[test]
fn the_name_picks_the_certificate() {
    let backend = Backend::named("app");
    let (exact, wild) = (certificate(&["exact.wild.test"]), certificate(&["*.wild.test"]));
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("exact.wild.test", ""), ("any.wild.test", "")]);
        config.tls.certificates = vec![wild.clone(), exact.clone()];
    });
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    let address = world.address("websecure");
    let mut stream = connect(address, "EXACT.wild.test", trusting(&["http/1.1"], None)).unwrap();
    assert_eq!(leaf(&stream), der(&exact));
    let answer = ask(&mut stream, "exact.wild.test").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("app"), "{answer}");
    let request = backend.last();
    assert_eq!((request.field("X-Forwarded-Proto"), request.field("X-Forwarded-Port")), (Some("https"), Some("443")));
    assert_eq!(leaf(&connect(address, "any.wild.test", trusting(&[], None)).unwrap()), der(&wild));
    // No certificate fits: the one that says so.
    let other = leaf(&connect(address, "a.b.wild.test", trusting(&[], None)).unwrap());
    assert!(other.windows(20).any(|window| window == b"TRAEFIK DEFAULT CERT"));
    let mut stream = connect(address, "nobody.test", trusting(&[], None)).unwrap();
    assert!(ask(&mut stream, "nobody.test").unwrap().starts_with("HTTP/1.1 404 "));
}

#[test]
fn plain_requests_on_a_tls_port_see_plain_routes_only() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "")]);
    });
    let mut plain = Client::connect(world.address("websecure"));
    assert!(plain.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").head().starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_handshake_where_nothing_has_tls_gets_the_default_certificate_and_no_route() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let mut stream = connect(world.address("web"), "app.test", trusting(&["http/1.1"], None)).unwrap();
    assert!(leaf(&stream).windows(20).any(|window| window == b"TRAEFIK DEFAULT CERT"));
    assert!(ask(&mut stream, "app.test").unwrap().starts_with("HTTP/1.1 404 "));
}

#[test]
fn strict_names_are_refused_by_alert() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "")]);
        config.tls.certificates = vec![certificate(&["app.test"])];
        config.tls.options.insert(
            "default".into(),
            TlsOptions { sni_strict: true, min_version: "VersionTLS12".into(), ..TlsOptions::default() },
        );
    });
    let address = world.address("websecure");
    assert!(
        ask(&mut connect(address, "app.test", trusting(&[], None)).unwrap(), "app.test")
            .unwrap()
            .starts_with("HTTP/1.1 200 ")
    );
    for name in ["other.test", "127.0.0.1"] {
        let error = connect(address, name, trusting(&[], None)).unwrap_err().to_string();
        assert!(error.contains("UnrecognizedName") || error.contains("UnrecognisedName"), "{error}");
    }
}

#[test]
fn options_follow_the_name_and_fronting_is_misdirected() {
    let backend = Backend::named("app");
    let authority = certificate(&["client"]);
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("old.test", "old@file"), ("open.test", ""), ("closed.test", "mtls@file")]);
        config.tls.options.insert(
            "old@file".into(),
            TlsOptions {
                max_version: "VersionTLS12".into(),
                cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".into()],
                ..TlsOptions::default()
            },
        );
        let client_auth = ClientAuth { ca_files: Vec::new(), client_auth_type: "RequireAnyClientCert".into() };
        config.tls.options.insert("mtls@file".into(), TlsOptions { client_auth, ..TlsOptions::default() });
    });
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    let address = world.address("websecure");
    let stream = connect(address, "old.test", trusting(&[], None)).unwrap();
    assert_eq!(stream.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(
        stream.conn.negotiated_cipher_suite().unwrap().suite(),
        rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
    let mut stream = connect(address, "open.test", trusting(&[], None)).unwrap();
    assert_eq!(stream.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(ask(&mut stream, "closed.test").unwrap().starts_with("HTTP/1.1 421 "));
    let refused =
        connect(address, "closed.test", trusting(&[], None)).and_then(|mut stream| ask(&mut stream, "closed.test"));
    assert!(refused.is_err(), "no client certificate, but {refused:?}");
    let mut known = connect(address, "closed.test", trusting(&[], Some(&authority))).unwrap();
    assert!(ask(&mut known, "closed.test").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn servers_are_told_about_the_clients_certificate() {
    let backend = Backend::named("app");
    let client = certificate(&["client.test"]);
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "mtls@file")]);
        let client_auth = ClientAuth { ca_files: Vec::new(), client_auth_type: "RequestClientCert".into() };
        config.tls.options.insert("mtls@file".into(), TlsOptions { client_auth, ..TlsOptions::default() });
        let info = ClientCertInfo { sans: true, ..ClientCertInfo::default() };
        let pass = PassTlsClientCert { pem: true, info: Some(info) };
        middleware(config, "pass", Middleware::PassTlsClientCert(Box::new(pass)));
        config.http.routers["tls-app.test@file"].middlewares = vec!["pass".into()];
    });
    let address = world.address("websecure");
    let (whole, part) = ("X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info");
    let mut stream = connect(address, "app.test", trusting(&[], Some(&client))).unwrap();
    let forged =
        format!("GET / HTTP/1.1\r\nHost: app.test\r\n{whole}: forged\r\n{part}: forged\r\nConnection: close\r\n\r\n");
    stream.write_all(forged.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    let request = backend.last();
    assert_eq!(request.field(part), Some("SAN%3D%22client.test%22"));
    let armoured: String = client.cert_file.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(request.field(whole), Some(armoured.trim()));
    // Whoever shows none is told as nobody.
    let mut stream = connect(address, "app.test", trusting(&[], None)).unwrap();
    stream.write_all(forged.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    let request = backend.last();
    assert_eq!((request.field(part), request.field(whole)), (None, None));
}

#[test]
fn sessions_resume_on_every_worker() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "")]);
    });
    let config = trusting(&[], None);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(world.address("websecure"), "app.test", config.clone()).unwrap();
        ask(&mut stream, "app.test").unwrap();
        kinds.push(stream.conn.handshake_kind().unwrap());
    }
    assert_eq!(kinds[0], rustls::HandshakeKind::Full);
    assert!(kinds[1..].iter().all(|kind| *kind == rustls::HandshakeKind::Resumed), "{kinds:?}");
}

#[test]
fn a_new_certificate_is_served_and_open_connections_stay() {
    let backend = Backend::named("app");
    let (old, new) = (certificate(&["app.test"]), certificate(&["app.test"]));
    let mut world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "")]);
        config.tls.certificates = vec![old.clone()];
    });
    let address = world.address("websecure");
    let mut open = connect(address, "app.test", trusting(&[], None)).unwrap();
    assert_eq!(leaf(&open), der(&old));
    world.apply(|config| config.tls.certificates = vec![new.clone()]);
    assert_eq!(leaf(&connect(address, "app.test", trusting(&[], None)).unwrap()), der(&new));
    assert!(ask(&mut open, "app.test").unwrap().starts_with("HTTP/1.1 200 "));
    let problems = world.apply(|config| config.tls.certificates[0].cert_file = "/nonexistent/a.pem".into());
    assert!(problems.iter().any(|problem| problem.message.contains("/nonexistent/a.pem")), "{problems:?}");
}

#[test]
fn servers_over_tls_are_verified_unless_told_otherwise() {
    let backend = Backend::named("app");
    let inner = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("127.0.0.1", "")]);
    });
    let url = format!("https://{}", inner.address("websecure"));
    let outer = World::new(|config| {
        for name in ["strict", "lax"] {
            service(config, name, std::slice::from_ref(&url));
            route(config, name, name, &[]);
        }
        config
            .http
            .servers_transports
            .insert("lax@file".into(), ServersTransport { insecure_skip_verify: true, ..ServersTransport::default() });
        if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("lax@file") {
            balancer.servers_transport = "lax@file".into();
            balancer.pass_host_header = false;
            balancer.servers = vec![Server { url: url.clone(), ..Server::default() }];
        }
    });
    let answer = outer.get("strict.test", "/", "");
    assert_eq!(
        (answer.line(), &answer.body[..]),
        ("HTTP/1.1 500 Internal Server Error", &b"Internal Server Error"[..])
    );
    let answer = outer.get("lax.test", "/", "");
    assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 200 OK", &b"app"[..]), "{}", answer.head);
}

#[test]
fn a_session_is_not_resumed_under_other_options() {
    let backend = Backend::named("app");
    let authority = certificate(&["authority.test"]);
    let mutual = || TlsOptions {
        client_auth: ClientAuth {
            ca_files: vec![authority.cert_file.clone()],
            client_auth_type: "RequireAndVerifyClientCert".into(),
        },
        ..TlsOptions::default()
    };
    let mut world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "open@file")]);
        config
            .entry_points
            .insert("inner".into(), EntryPoint { address: "127.0.0.1:0".into(), ..EntryPoint::default() });
        let mut inner = config.http.routers["tls-app.test@file"].clone();
        inner.entry_points = vec!["inner".into()];
        inner.tls = Some(RouterTls { options: "mutual@file".into(), ..RouterTls::default() });
        config.http.routers.insert("inner@file".into(), inner);
        config.tls.options.insert("open@file".into(), TlsOptions::default());
        config.tls.options.insert("mutual@file".into(), mutual());
    });
    // The client remembers its sessions by name; the port does not matter to it.
    let client = trusting(&["http/1.1"], None);
    let (open, inner) = (world.address("websecure"), world.address("inner"));
    let outcome = |address| {
        connect(address, "app.test", client.clone()).and_then(|mut stream| {
            let answer = ask(&mut stream, "app.test")?;
            Ok((answer.starts_with("HTTP/1.1 200 "), stream.conn.handshake_kind()))
        })
    };
    for version in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        assert_eq!(outcome(open).unwrap(), (true, Some(version)));
    }
    assert!(!outcome(inner).is_ok_and(|(served, _)| served), "no certificate was asked for");
    // The same name, the same options' name, and now a certificate is demanded.
    world.apply(|config| {
        config.tls.options.insert("open@file".into(), mutual());
    });
    assert!(!outcome(open).is_ok_and(|(served, _)| served), "the old session was good enough");
}

/// The end of a response must not wait in the TLS layer for the next request: the client reads at its own pace, so that
/// the socket refuses records again and again, the last ones among them.
#[test]
fn a_slow_reader_gets_the_end_of_a_response() {
    const BODY: usize = 16 << 20;
    let backend = Backend::script(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; BODY])).is_ok()
    });
    for generic in [false, true] {
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            secure(config, &[("app.test", "")]);
        });
        let mut stream = connect(world.address("websecure"), "app.test", trusting(&["http/1.1"], None)).unwrap();
        socket2::SockRef::from(&stream.sock).set_recv_buffer_size(128 << 10).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            got.push(byte[0]);
        }
        let mut body = vec![0; BODY];
        stream.read_exact(&mut body).unwrap();
        assert!(body.iter().all(|byte| *byte == b'x'));
    }
}
