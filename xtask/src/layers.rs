//! Who may depend on whom: arrows point down only, and the pure crates stay pure.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::run;

/// From the top to the bottom; a crate may use crates of lower layers only.
const LAYERS: [&[&str]; 8] = [
    &["baton"],
    &["baton-api"],
    &["baton-server"],
    &["baton-runner", "baton-proxy", "baton-traefik"],
    &["baton-routing", "baton-catalog", "baton-scheduler", "baton-jobspec", "baton-template"],
    &["baton-store"],
    &["baton-consul", "baton-keeper"],
    &["baton-net", "baton-telemetry", "baton-model"],
];

/// Edges inside a layer that are meant.
const WITHIN: [(&str, &str); 0] = [];

/// For development only: anything may use it in tests, and it may use anything.
const DEVELOPMENT: [&str; 3] = ["baton-fuzz", "baton-testkit", "xtask"];

/// No runtime, no clock, no sockets, no files: time and I/O are arguments there.
const PURE: [&str; 7] = [
    "baton-model",
    "baton-jobspec",
    "baton-scheduler",
    "baton-template",
    "baton-catalog",
    "baton-routing",
    "baton-traefik",
];

/// What a pure crate may not depend on.
const IMPURE: [&str; 8] = ["tokio", "hyper", "reqwest", "socket2", "nix", "notify", "redb", "libc"];

/// What a pure crate may not say.
const IMPURE_WORDS: [&str; 6] =
    ["Instant::now", "SystemTime::now", "Timestamp::now(", "std::fs::", "std::net::Tcp", "std::net::Udp"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: std::path::PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails with every breach.
pub fn check() -> Result<()> {
    let mut command: Command = run::cargo();
    let metadata: Metadata = serde_json::from_str(&run::output(command.args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--locked",
    ]))?)?;
    let layer: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(level, names)| names.iter().map(move |name| (*name, level))).collect();
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if DEVELOPMENT.contains(&name) {
            continue;
        }
        let Some(own) = layer.get(name) else {
            breaches.push(format!("{name} stands in no layer"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            let other = dependency.name.as_str();
            if let Some(level) = layer.get(other)
                && level <= own
                && !WITHIN.contains(&(name, other))
            {
                breaches.push(format!("{name} may not use {other}: arrows point down only"));
            }
            if PURE.contains(&name) && IMPURE.contains(&other) {
                breaches.push(format!("{name} is pure and may not use {other}"));
            }
        }
        if PURE.contains(&name) {
            breaches.extend(impure_words(package)?);
        }
    }
    if !breaches.is_empty() {
        bail!("layers:\n  {}", breaches.join("\n  "));
    }
    eprintln!("layers: {} packages in order", metadata.packages.len());
    Ok(())
}

fn impure_words(package: &Package) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    let mut dirs = vec![package.manifest_path.with_file_name("src")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.trim_start();
                let said = IMPURE_WORDS.iter().find(|word| line.contains(**word));
                if let Some(word) = said.filter(|_| !line.starts_with("//") && !path.ends_with("tests.rs")) {
                    breaches.push(format!("{}:{}: {word} in a pure crate", path.display(), number + 1));
                }
            }
        }
    }
    Ok(breaches)
}
