//! The proxies under test and the origin behind them, each with the same routes and the same certificate.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{peers, run};

/// The host that is routed.
pub const HOST: &str = "app.bench.test";
/// How long a proxy may take to answer its first connection.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A started proxy; killed when dropped.
pub struct Proxy {
    pub name: String,
    pub http_port: u16,
    pub https_port: u16,
    child: Child,
}

/// The backend.
pub struct Origin {
    pub port: u16,
    child: Child,
}

/// A self-signed certificate, as `cert.pem`, `key.pem` and both in `both.pem`.
pub fn certificate(dir: &Path) -> Result<()> {
    run::output(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")])
            .arg("-keyout")
            .arg(dir.join("key.pem"))
            .arg("-out")
            .arg(dir.join("cert.pem")),
    )?;
    let both = fs::read_to_string(dir.join("cert.pem"))? + &fs::read_to_string(dir.join("key.pem"))?;
    Ok(fs::write(dir.join("both.pem"), both)?)
}

impl Origin {
    pub fn start(dir: &Path) -> Result<Self> {
        let port = free_port()?;
        let (body, large) = ("x".repeat(1024), dir.join("large"));
        fs::write(&large, "x".repeat(100 << 10))?;
        let config = format!(
            "daemon off; worker_processes 1; pid {0}/origin.pid; error_log {0}/origin.err;
             events {{ worker_connections 4096; }}
             http {{ access_log off; sendfile on; open_file_cache max=16; keepalive_requests 1000000000; keepalive_timeout 600s;
               client_body_temp_path {0}/ob; proxy_temp_path {0}/op; fastcgi_temp_path {0}/of; uwsgi_temp_path {0}/ou; scgi_temp_path {0}/os;
               server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ default_type text/plain; return 200 '{body}'; }} location = /large {{ root {0}; }} }} }}",
            dir.display()
        );
        fs::write(dir.join("origin.conf"), config)?;
        let child = spawn(pinned("1", &peers::dir().join("bin/nginx")).arg("-c").arg(dir.join("origin.conf")))?;
        await_port(port)?;
        Ok(Self { port, child })
    }
}

impl Proxy {
    pub fn start(name: &str, dir: &Path, origin: u16, routes: usize) -> Result<Self> {
        let (http_port, https_port) = (free_port()?, free_port()?);
        let ports = Ports { http_port, https_port, origin, routes };
        let child = match name {
            "baton" => baton(dir, &ports, &run::target_dir().join("release/baton"), &["proxy"]),
            "traefik" => baton(dir, &ports, &peers::dir().join("bin/traefik"), &[]),
            "nginx" => nginx(dir, &ports),
            "haproxy" => haproxy(dir, &ports),
            other => bail!("no proxy {other:?}; there are baton, nginx, haproxy, traefik"),
        }?;
        await_port(http_port).with_context(|| format!("{name} did not start"))?;
        await_port(https_port).with_context(|| format!("{name} did not start"))?;
        let proxy = Self { name: name.to_owned(), http_port, https_port, child };
        proxy.await_route()?;
        Ok(proxy)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The route may be there a little later than the port.
    fn await_route(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let url = format!("http://127.0.0.1:{}/", self.http_port);
            let code = run::output(
                Command::new("curl")
                    .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H"])
                    .arg(format!("Host: {HOST}"))
                    .arg(url),
            );
            if code.is_ok_and(|code| code == "200") {
                return Ok(());
            }
            ensure!(started.elapsed() < START_LIMIT, "{} does not route to the origin", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

struct Ports {
    http_port: u16,
    https_port: u16,
    origin: u16,
    /// Host rules, that of [`HOST`] included.
    routes: usize,
}

impl Ports {
    /// The other hosts that have a rule.
    fn others(&self) -> impl Iterator<Item = String> {
        (1..self.routes).map(|index| format!("host{index}.bench.test"))
    }
}

/// Baton and Traefik read the same files.
fn baton(dir: &Path, ports: &Ports, program: &Path, verb: &[&str]) -> Result<Child> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let dynamic = dir.join(format!("{name}-dynamic.yml"));
    let config = dir.join(format!("{name}.yml"));
    let others: String = ports
        .others()
        .map(|host| format!("    {}: {{ rule: 'Host(`{host}`)', service: origin }}\n", host.replace('.', "-")))
        .collect();
    fs::write(
        &dynamic,
        format!(
            "http:
  routers:
{others}    plain: {{ rule: 'Host(`{HOST}`)', service: origin, entryPoints: [web] }}
    tls: {{ rule: 'Host(`{HOST}`)', service: origin, entryPoints: [websecure], tls: {{}} }}
  services:
    origin: {{ loadBalancer: {{ servers: [{{ url: 'http://127.0.0.1:{}' }}] }} }}
tls:
  stores: {{ default: {{ defaultCertificate: {{ certFile: {1}/cert.pem, keyFile: {1}/key.pem }} }} }}
",
            ports.origin,
            dir.display()
        ),
    )?;
    fs::write(
        &config,
        format!(
            "global: {{ checkNewVersion: false }}
entryPoints:
  web: {{ address: '127.0.0.1:{}' }}
  websecure: {{ address: '127.0.0.1:{}' }}
providers: {{ file: {{ filename: {} }} }}
",
            ports.http_port,
            ports.https_port,
            dynamic.display()
        ),
    )?;
    spawn(pinned("0", program).env("GOMAXPROCS", "1").args(verb).arg(format!("--configfile={}", config.display())))
}

fn nginx(dir: &Path, ports: &Ports) -> Result<Child> {
    let others = ports.others().fold(String::new(), |all, host| all + " " + &host);
    let config = format!(
        "daemon off; worker_processes 1; pid {0}/nginx.pid; error_log {0}/nginx.err;
         events {{ worker_connections 4096; }}
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
           client_body_temp_path {0}/nb; proxy_temp_path {0}/np; fastcgi_temp_path {0}/nf; uwsgi_temp_path {0}/nu; scgi_temp_path {0}/ns;
           server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
           upstream origin {{ server 127.0.0.1:{1}; keepalive 256; keepalive_requests 1000000000; }}
           ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;
           server {{ listen 127.0.0.1:{2} backlog=4096; listen 127.0.0.1:{3} ssl http2 backlog=4096; server_name {HOST}{others};
             location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection '';
               proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }} }} }}",
        dir.display(),
        ports.origin,
        ports.http_port,
        ports.https_port
    );
    fs::write(dir.join("nginx.conf"), config)?;
    spawn(pinned("0", &peers::dir().join("bin/nginx")).arg("-c").arg(dir.join("nginx.conf")))
}

fn haproxy(dir: &Path, ports: &Ports) -> Result<Child> {
    let names = dir.join("hosts.lst");
    fs::write(&names, ports.others().fold(HOST.to_owned(), |all, host| all + "\n" + &host))?;
    let config = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend web
  bind 127.0.0.1:{}
  bind 127.0.0.1:{} ssl crt {}/both.pem alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  use_backend origin if {{ hdr(host) -i -f {} }}
backend origin
  server origin 127.0.0.1:{}
",
        ports.http_port,
        ports.https_port,
        dir.display(),
        names.display(),
        ports.origin
    );
    fs::write(dir.join("haproxy.cfg"), config)?;
    spawn(pinned("0", &peers::dir().join("bin/haproxy")).arg("-db").arg("-f").arg(dir.join("haproxy.cfg")))
}

fn pinned(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cpu]).arg(program);
    command
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start a proxy")
}

fn stop(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let started = Instant::now();
    while started.elapsed() < START_LIMIT && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn await_port(port: u16) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(started.elapsed() < START_LIMIT, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
