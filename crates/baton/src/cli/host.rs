//! The machine as functions in job files see it: files relative to the working directory.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use baton_jobspec::Host;

/// This machine, with the rights of whoever runs the command.
#[derive(Debug, Clone, Copy)]
pub struct LocalHost;

/// The most that is read of one file; the parser has its own, smaller limit.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The most files that `fileset` looks at.
const FILES_MAX: usize = 100_000;

impl Host for LocalHost {
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        let kind = std::fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        if !kind.is_file() {
            return Err(format!("cannot read {path}: it is not a regular file"));
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| format!("cannot read {path}: {error}"))
    }

    fn file_exists(&self, path: &str) -> Result<bool, String> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(format!("{path} is a directory")),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    fn files_below(&self, directory: &str) -> Result<Vec<String>, String> {
        let root = Path::new(directory);
        let mut found = Vec::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(dir) = dirs.pop() {
            let entries = std::fs::read_dir(root.join(&dir)).map_err(|error| format!("{directory}: {error}"))?;
            for entry in entries.filter_map(Result::ok) {
                let path = dir.join(entry.file_name());
                let kind = entry.file_type().map_err(|error| error.to_string())?;
                if kind.is_dir() {
                    dirs.push(path);
                } else if kind.is_file() {
                    found.push(path.to_string_lossy().into_owned());
                }
                if found.len() > FILES_MAX {
                    return Err(format!("{directory} holds more than {FILES_MAX} files"));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn absolute_path(&self, path: &str) -> Result<String, String> {
        let path = std::path::absolute(path).map_err(|error| format!("{path}: {error}"))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn home_directory(&self) -> Result<String, String> {
        std::env::var("HOME").map_err(|_| "HOME is not set".to_owned())
    }

    fn random_bytes(&self) -> Result<[u8; 16], String> {
        Ok(uuid::Uuid::new_v4().into_bytes())
    }
}
