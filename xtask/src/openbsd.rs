//! `cargo xtask check-openbsd`: type-checks the workspace for OpenBSD.
//!
//! No prebuilt standard library exists for that target, so a chroot of Debian unstable supplies a compiler with the
//! library's sources; C code in build scripts is answered by stubs. This proves types and `cfg`s. It links nothing and
//! runs nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::run;

const TARGET: &str = "x86_64-unknown-openbsd";

/// Answers a C compiler's calls: an empty object file.
const CC_STUB: &str = r#"#!/bin/sh
out=
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2; shift ;;
    -E) exit 0 ;;
    --version) echo "clang version 19.0.0"; exit 0 ;;
  esac
  shift
done
[ -n "$out" ] && : > "$out"
exit 0
"#;

/// Answers an archiver's calls: an empty archive.
const AR_STUB: &str = r#"#!/bin/sh
for arg; do
  case $arg in *.a) printf '!<arch>\n' > "$arg" ;; esac
done
exit 0
"#;

/// Checks every crate but the tests.
pub fn check() -> Result<()> {
    ensure!(nix_is_root(), "check-openbsd needs root: it works in a chroot");
    let chroot =
        std::env::var_os("OPENBSD_CHECK_ROOT").map_or_else(|| PathBuf::from("/var/tmp/openbsd-check"), PathBuf::from);
    if !chroot.join("usr/bin/cargo").exists() {
        prepare(&chroot)?;
    }
    copy_sources(&chroot)?;
    let mounts = Mounts::new(&chroot)?;
    let script = format!(
        "cd /root/src && cargo check -q -Z build-std=std,panic_abort --target {TARGET} --workspace --exclude baton-testkit --exclude xtask"
    );
    run::run(
        Command::new("chroot")
            .arg(&chroot)
            .args([
                "env",
                "-i",
                "PATH=/usr/bin:/bin",
                "HOME=/root",
                "RUSTC_BOOTSTRAP=1",
                "CARGO_TARGET_DIR=/root/target",
            ])
            .args(["CC_x86_64_unknown_openbsd=/root/cc-stub", "AR_x86_64_unknown_openbsd=/root/ar-stub"])
            .args(["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "sh", "-c", &script]),
    )?;
    drop(mounts);
    eprintln!("type-checks for {TARGET}");
    Ok(())
}

fn nix_is_root() -> bool {
    run::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn prepare(chroot: &Path) -> Result<()> {
    ensure!(run::has("debootstrap"), "debootstrap is missing (Debian: apt-get install debootstrap)");
    run::run(Command::new("debootstrap").args(["--variant=minbase", "sid"]).arg(chroot))?;
    let write = |path: &str, text: &str| std::fs::write(chroot.join(path), text).with_context(|| path.to_owned());
    write("etc/apt/apt.conf.d/99old", "Acquire::Check-Valid-Until \"false\";\n")?;
    std::fs::copy("/etc/resolv.conf", chroot.join("etc/resolv.conf"))?;
    let inside = |args: &[&str]| run::run(Command::new("chroot").arg(chroot).args(args));
    inside(&["apt-get", "update", "-qq"])?;
    let packages = ["cargo", "rustc", "rust-src", "clang", "ca-certificates"];
    inside(&[&["apt-get", "install", "-y", "-qq", "--no-install-recommends"][..], &packages[..]].concat())?;
    std::fs::copy("/etc/ssl/certs/ca-certificates.crt", chroot.join("etc/ssl/certs/ca-certificates.crt"))?;
    for (name, text) in [("root/cc-stub", CC_STUB), ("root/ar-stub", AR_STUB)] {
        write(name, text)?;
        std::fs::set_permissions(chroot.join(name), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Copies what git tracks (and what is new and not ignored) into the chroot.
fn copy_sources(chroot: &Path) -> Result<()> {
    let to = chroot.join("root/src");
    if to.exists() {
        std::fs::remove_dir_all(&to)?;
    }
    std::fs::create_dir_all(&to)?;
    let files = Command::new("git")
        .current_dir(run::root())
        .args(["ls-files", "-co", "--exclude-standard", "-z"])
        .stdout(Stdio::piped())
        .spawn()?;
    let list = files.stdout.context("git's output")?;
    let archive = Command::new("tar")
        .current_dir(run::root())
        .args(["--null", "-T", "-", "--ignore-failed-read", "-cf", "-"])
        .stdin(list)
        .stdout(Stdio::piped())
        .spawn()?;
    let archive = archive.stdout.context("tar's output")?;
    run::run(Command::new("tar").arg("-C").arg(&to).args(["-xmf", "-"]).stdin(archive))?;
    let _ = std::fs::remove_file(to.join(".cargo/config.toml"));
    Ok(())
}

/// `/dev` and `/proc` inside the chroot, for as long as this lives.
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn new(chroot: &Path) -> Result<Self> {
        let mut mounts = Self(Vec::new());
        for name in ["dev", "proc"] {
            let at = chroot.join(name);
            run::run(Command::new("mount").arg("--bind").arg(Path::new("/").join(name)).arg(&at))?;
            mounts.0.push(at);
        }
        Ok(mounts)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.0.iter().rev() {
            let _ = run::run(Command::new("umount").arg(at));
        }
    }
}
