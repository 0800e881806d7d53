//! Looking into an allocation's directory, and nowhere else.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use baton_model::Timestamp;
use serde::Serialize;

use crate::alloc::dir::below;
use crate::rooted::{Rooted, is_escape};

/// The most entries that are listed.
const ENTRIES_MAX: usize = 10_000;

/// Why a path is not shown.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("Path escapes the alloc directory: {0:?}")]
    Escapes(String),
    #[error("Reading secret file prohibited: {0}")]
    Secret(String),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

/// One entry, as the API has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileInfo {
    pub name: String,
    pub is_dir: bool,
    pub size: i64,
    /// As `ls -l` writes it.
    pub file_mode: String,
    pub mod_time: String,
    pub content_type: String,
}

/// The directory of one allocation.
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        let failed = told(path);
        let (tree, inside) = self.tree(path)?;
        let dir = tree.dir(&inside, false).map_err(&failed)?;
        not_secret(path, dir.place())?;
        let mut all = Vec::new();
        for entry in tree.entries(&dir).map_err(&failed)?.take(ENTRIES_MAX) {
            let entry = entry.map_err(&failed)?;
            // What vanishes between the look and the question is not there.
            if let Ok(metadata) = entry.metadata() {
                all.push(info(entry.file_name().to_string_lossy().into_owned(), &metadata));
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub(crate) fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let (tree, inside) = self.tree(path)?;
        let (place, metadata) = match tree.dir(&inside, false) {
            Ok(dir) => (dir.place().to_owned(), dir.metadata()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let (dir, name) = tree.find(&inside).map_err(told(path))?;
                (dir.place().join(&name), dir.look(&name))
            }
            Err(error) => return Err(told(path)(error)),
        };
        not_secret(path, &place)?;
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(info(name, &metadata.map_err(told(path))?))
    }

    pub(crate) fn open(&self, path: &str) -> Result<File, FileError> {
        let (tree, inside) = self.tree(path)?;
        let (dir, name) = tree.find(&inside).map_err(told(path))?;
        not_secret(path, &dir.place().join(&name))?;
        dir.read(&name).map_err(told(path))
    }

    /// The allocation's directory, and the path from there.
    fn tree(&self, path: &str) -> Result<(Rooted, PathBuf), FileError> {
        let place = below(&self.root, &self.root, path).ok_or_else(|| FileError::Escapes(path.to_owned()))?;
        let inside = place.strip_prefix(&self.root).unwrap_or(Path::new("")).to_owned();
        Ok((Rooted::open(&self.root).map_err(told(path))?, inside))
    }
}

fn told(path: &str) -> impl Fn(io::Error) -> FileError {
    move |source| match is_escape(&source) {
        true => FileError::Escapes(path.to_owned()),
        false => FileError::Io { path: path.to_owned(), source },
    }
}

/// `<task>/secrets`, wherever links come from.
fn not_secret(path: &str, place: &Path) -> Result<(), FileError> {
    match place.components().nth(1) {
        Some(part) if part.as_os_str() == "secrets" => Err(FileError::Secret(path.to_owned())),
        _ => Ok(()),
    }
}

fn info(name: String, metadata: &Metadata) -> FileInfo {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let modified = Timestamp(modified.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(0)));
    FileInfo {
        content_type: if metadata.is_dir() { String::new() } else { content_type(&name).to_owned() },
        name,
        is_dir: metadata.is_dir(),
        size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
        file_mode: mode(metadata),
        mod_time: modified.to_rfc3339(),
    }
}

fn mode(metadata: &Metadata) -> String {
    let bits = metadata.permissions().mode();
    let kind = if metadata.is_dir() {
        'd'
    } else if metadata.is_symlink() {
        'L'
    } else {
        '-'
    };
    let letters = "rwxrwxrwx".chars().enumerate();
    std::iter::once(kind)
        .chain(letters.map(|(at, letter)| if bits & (0o400 >> at) == 0 { '-' } else { letter }))
        .collect()
}

fn content_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("json") => "application/json",
        Some("html") => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn shows_what_is_inside_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("a");
        fs::create_dir_all(root.join("t/secrets")).unwrap();
        fs::create_dir_all(root.join("alloc")).unwrap();
        fs::write(root.join("alloc/f"), "x").unwrap();
        fs::write(root.join("t/secrets/s"), "x").unwrap();
        fs::write(outer.path().join("other"), "x").unwrap();
        std::os::unix::fs::symlink("../../other", root.join("alloc/link")).unwrap();
        let files = Files::new(&root);
        assert_eq!(files.list("/").unwrap().iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["alloc", "t"]);
        assert_eq!(files.stat("alloc/f").unwrap().size, 1);
        assert!(files.open("alloc/f").is_ok());
        assert!(matches!(files.open("alloc/link"), Err(FileError::Escapes(_))));
        assert!(matches!(files.open("../other"), Err(FileError::Escapes(_))));
        assert!(matches!(files.list("t/secrets"), Err(FileError::Secret(_))));
        assert!(matches!(files.open("t/secrets/s"), Err(FileError::Secret(_))));
        assert!(files.open("alloc").is_err());
        std::os::unix::fs::symlink("../t/secrets", root.join("alloc/sly")).unwrap();
        std::os::unix::fs::symlink(root.join("alloc/f"), root.join("alloc/same")).unwrap();
        assert!(matches!(files.list("alloc/sly"), Err(FileError::Secret(_))));
        assert!(matches!(files.stat("alloc/sly/s"), Err(FileError::Secret(_))));
        assert_eq!(files.stat("alloc/same").unwrap().name, "f");
        assert!(files.stat("/").unwrap().is_dir && files.open("alloc/same").is_ok());
        nix::unistd::mkfifo(&root.join("alloc/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(!files.stat("alloc/fifo").unwrap().is_dir && files.open("alloc/fifo").is_err());
    }
}
