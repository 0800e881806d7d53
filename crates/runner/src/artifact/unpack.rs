//! Unpacking, with limits and without following a path out of the destination.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

use super::{UNPACK_BYTES_MAX, UNPACK_FILES_MAX, set_mode};

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
pub(super) fn unpack(kind: Archive, from: &Path, to: &Path, name: &str) -> Result<(), String> {
    let file = File::open(from).map_err(|error| error.to_string())?;
    let file = BufReader::new(file);
    match kind {
        Archive::Tar => untar(file, to),
        Archive::TarGz => untar(GzDecoder::new(file), to),
        Archive::Zip => unzip(file, to),
        Archive::Gz => {
            let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".GZ")).unwrap_or(name);
            let mut budget = Budget::default();
            budget.write(&mut GzDecoder::new(file), &to.join(name), 0o644)
        }
    }
}

fn untar(reader: impl Read, to: &Path) -> Result<(), String> {
    let mut budget = Budget::default();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        budget.count()?;
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        let Some(target) = inside(to, &path)? else { continue };
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        match entry.header().entry_type() {
            tar::EntryType::Directory => make_dir(to, &target)?,
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                make_parent(to, &target)?;
                budget.write(&mut entry, &target, mode)?;
            }
            tar::EntryType::Symlink => {
                let link = entry.link_name().map_err(|error| error.to_string())?.ok_or("a link without target")?;
                let parent = path.parent().unwrap_or(Path::new(""));
                inside(to, &parent.join(&link)).map_err(|_| format!("the link {} points outside", path.display()))?;
                if climbs_after_descent(&link) {
                    return Err(format!("the link {} climbs out of what may be a link itself", path.display()));
                }
                make_parent(to, &target)?;
                let _ = fs::remove_file(&target);
                std::os::unix::fs::symlink(&link, &target).map_err(|error| error.to_string())?;
            }
            // Pax headers are read by the library; devices, sockets and hard links have no place in an artifact.
            tar::EntryType::XHeader | tar::EntryType::XGlobalHeader => {}
            other => return Err(format!("{} is a {other:?}, which is not unpacked", path.display())),
        }
    }
    Ok(())
}

fn unzip(reader: BufReader<File>, to: &Path) -> Result<(), String> {
    let mut budget = Budget::default();
    let mut archive = zip::ZipArchive::new(reader).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        budget.count()?;
        let name = entry.name().map_err(|error| error.to_string())?.into_owned();
        let path = PathBuf::from(name);
        let Some(target) = inside(to, &path)? else { continue };
        if entry.is_dir() {
            make_dir(to, &target)?;
        } else if entry.is_symlink() {
            return Err(format!("{} is a link, which is not unpacked from zip", path.display()));
        } else {
            make_parent(to, &target)?;
            let mode = entry.unix_mode().unwrap_or(0o644) & 0o777;
            budget.write(&mut entry, &target, mode)?;
        }
    }
    Ok(())
}

/// `path` below `to`; an error when it climbs out, `None` for the root itself.
fn inside(to: &Path, path: &Path) -> Result<Option<PathBuf>, String> {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir if parts.pop().is_some() => {}
            _ => return Err(format!("{} points outside the destination", path.display())),
        }
    }
    Ok((!parts.is_empty()).then(|| to.join(parts.iter().collect::<PathBuf>())))
}

/// `a/..` is not where it began when `a` is a link.
fn climbs_after_descent(link: &Path) -> bool {
    let mut parts = link.components().skip_while(|part| matches!(part, Component::ParentDir | Component::CurDir));
    parts.any(|part| part == Component::ParentDir)
}

fn make_parent(to: &Path, target: &Path) -> Result<(), String> {
    target.parent().map_or(Ok(()), |parent| make_dir(to, parent))
}

/// Makes a directory; no part of it below `to` may be a link (an earlier entry could have planted one).
fn make_dir(to: &Path, dir: &Path) -> Result<(), String> {
    let mut path = to.to_owned();
    for part in dir.strip_prefix(to).unwrap_or(Path::new("")).components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(format!("{} is in the way", path.display())),
            Err(_) => fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?,
        }
    }
    Ok(())
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

    fn write(&mut self, from: &mut impl Read, to: &Path, mode: u32) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", to.display());
        let _ = fs::remove_file(to);
        let mut file = File::create_new(to).map_err(failed)?;
        let copied = io::copy(&mut from.take(self.bytes + 1), &mut file).map_err(failed)?;
        self.bytes = self.bytes.checked_sub(copied).ok_or(format!("more than {UNPACK_BYTES_MAX} bytes"))?;
        let executable = fs::Permissions::from_mode(mode).mode();
        set_mode(to, executable).map_err(failed)
    }
}
