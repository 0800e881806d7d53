//! Unpacking, with limits and without following a path out of the destination.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

use super::{UNPACK_BYTES_MAX, UNPACK_FILES_MAX};
use crate::rooted::{Dir, Rooted};

/// Kinds of archives; a plain `.gz` unpacks to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    Tar,
    TarGz,
    Zip,
    Gz,
}

impl Archive {
    /// By the end of a file name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let kinds = [
            (".tar.gz", Self::TarGz),
            (".tgz", Self::TarGz),
            (".tar", Self::Tar),
            (".zip", Self::Zip),
            (".gz", Self::Gz),
        ];
        kinds.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| kind)
    }
}

/// Unpacks `from` into the directory `to`.
pub(super) fn unpack(kind: Archive, from: &Path, to: &Rooted, name: &str) -> Result<(), String> {
    let file = File::open(from).map_err(|error| error.to_string())?;
    let file = BufReader::new(file);
    match kind {
        Archive::Tar => untar(file, to),
        Archive::TarGz => untar(GzDecoder::new(file), to),
        Archive::Zip => unzip(file, to),
        Archive::Gz => {
            let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".GZ")).unwrap_or(name);
            let mut budget = Budget::default();
            budget.write(&mut GzDecoder::new(file), to, Path::new(name), 0o644)
        }
    }
}

fn untar(reader: impl Read, to: &Rooted) -> Result<(), String> {
    let mut budget = Budget::default();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        budget.count()?;
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        let Some(target) = inside(&path)? else { continue };
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        match entry.header().entry_type() {
            tar::EntryType::Directory => drop(dir(to, &target)?),
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                budget.write(&mut entry, to, &target, mode)?;
            }
            tar::EntryType::Symlink => {
                let link = entry.link_name().map_err(|error| error.to_string())?.ok_or("a link without target")?;
                let parent = path.parent().unwrap_or(Path::new(""));
                inside(&parent.join(&link)).map_err(|_| format!("the link {} points outside", path.display()))?;
                if climbs_after_descent(&link) {
                    return Err(format!("the link {} climbs out of what may be a link itself", path.display()));
                }
                let (dir, name) = cleared(to, &target)?;
                dir.link(&link, name).map_err(|error| format!("{}: {error}", path.display()))?;
            }
            // Pax headers are read by the library; devices, sockets and hard links have no place in an artifact.
            tar::EntryType::XHeader | tar::EntryType::XGlobalHeader => {}
            other => return Err(format!("{} is a {other:?}, which is not unpacked", path.display())),
        }
    }
    Ok(())
}

fn unzip(reader: BufReader<File>, to: &Rooted) -> Result<(), String> {
    let mut budget = Budget::default();
    let mut archive = zip::ZipArchive::new(reader).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        budget.count()?;
        let name = entry.name().map_err(|error| error.to_string())?.into_owned();
        let path = PathBuf::from(name);
        let Some(target) = inside(&path)? else { continue };
        if entry.is_dir() {
            dir(to, &target)?;
        } else if entry.is_symlink() {
            return Err(format!("{} is a link, which is not unpacked from zip", path.display()));
        } else {
            let mode = entry.unix_mode().unwrap_or(0o644) & 0o777;
            budget.write(&mut entry, to, &target, mode)?;
        }
    }
    Ok(())
}

/// `path` without `.` and `..`; an error when it climbs out, `None` for the root itself.
fn inside(path: &Path) -> Result<Option<PathBuf>, String> {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir if parts.pop().is_some() => {}
            _ => return Err(format!("{} points outside the destination", path.display())),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.iter().collect()))
}

/// `a/..` is not where it began when `a` is a link.
fn climbs_after_descent(link: &Path) -> bool {
    let mut parts = link.components().skip_while(|part| matches!(part, Component::ParentDir | Component::CurDir));
    parts.any(|part| part == Component::ParentDir)
}

/// A directory, made if need be. Links on the way there are walked within the destination only.
fn dir(to: &Rooted, path: &Path) -> Result<Dir, String> {
    to.dir(path, true).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where something is to be put, what was there before taken away.
fn cleared<'a>(to: &Rooted, path: &'a Path) -> Result<(Dir, &'a OsStr), String> {
    let (parent, name) =
        path.parent().zip(path.file_name()).ok_or_else(|| format!("{} has no name", path.display()))?;
    let dir = dir(to, parent)?;
    let _ = dir.remove(name);
    Ok((dir, name))
}

/// What may still be unpacked.
struct Budget {
    bytes: u64,
    files: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: UNPACK_BYTES_MAX, files: UNPACK_FILES_MAX }
    }
}

impl Budget {
    fn count(&mut self) -> Result<(), String> {
        self.files = self.files.checked_sub(1).ok_or(format!("more than {UNPACK_FILES_MAX} entries"))?;
        Ok(())
    }

    fn write(&mut self, from: &mut impl Read, to: &Rooted, path: &Path, mode: u32) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let (dir, name) = cleared(to, path)?;
        let mut file = dir.create(name).map_err(failed)?;
        let copied = io::copy(&mut from.take(self.bytes + 1), &mut file).map_err(failed)?;
        self.bytes = self.bytes.checked_sub(copied).ok_or(format!("more than {UNPACK_BYTES_MAX} bytes"))?;
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed)
    }
}
