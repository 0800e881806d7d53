//! Artifacts: fetched over HTTP(S) or from a file, verified, unpacked below the task's directory.
//!
//! Invariants: nothing is written outside the destination; a failed fetch leaves no half-made file under its final name;
//! the checksum is of the bytes as fetched, before unpacking.

mod checksum;
mod source;
mod unpack;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use baton_model::task::Artifact;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

pub use checksum::Checksum;
use source::{Place, Source};
use unpack::Archive;

use crate::link::with_causes;
use crate::rooted::Rooted;

/// The largest artifact that is fetched.
pub const FETCH_BYTES_MAX: u64 = 100 << 30;
/// The largest sum of file sizes that an archive may unpack to.
pub const UNPACK_BYTES_MAX: u64 = 100 << 30;
/// The most entries an archive may have.
pub const UNPACK_FILES_MAX: usize = 100_000;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a server may stay silent in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the whole fetch may take, as in Nomad.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Why an artifact is not there. `recoverable` ones are tried again by the task's restart policy.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("artifact {source_text:?}: {reason}")]
    Unsupported { source_text: String, reason: String },
    #[error("artifact destination {0:?} escapes the task's directory")]
    Escapes(String),
    #[error("cannot fetch {url}: {reason}")]
    Fetch { url: String, reason: String },
    #[error("{url} is larger than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error("checksum of {url} is {found}, not {expected}")]
    Checksum { url: String, expected: String, found: String },
    #[error("cannot unpack {url}: {reason}")]
    Unpack { url: String, reason: String },
    #[error("cannot write {path}: {error}")]
    Write { path: String, error: std::io::Error },
}

impl ArtifactError {
    /// Trying again may help.
    pub fn recoverable(&self) -> bool {
        matches!(self, Self::Fetch { .. } | Self::Write { .. })
    }
}

/// Fetches one artifact, all fields interpolated, below `task_dir`. What is not verified yet lies in `scratch`: on the same file
/// system, and where no task can write.
pub async fn fetch(artifact: &Artifact, task_dir: &Path, scratch: &Path) -> Result<(), ArtifactError> {
    let source = Source::parse(artifact)?;
    let destination = below(task_dir, &artifact.relative_dest)?;
    let write = |path: &Path| {
        let path = path.display().to_string();
        move |error| ArtifactError::Write { path, error }
    };
    fs::create_dir_all(task_dir).map_err(write(task_dir))?;
    let download = tempfile::Builder::new().prefix(".artifact-").tempfile_in(scratch).map_err(write(scratch))?;
    match &source.place {
        Place::Web(url) => {
            let limited = tokio::time::timeout(FETCH_TIMEOUT, download_to(url, artifact, download.path()));
            limited.await.map_err(|_| ArtifactError::Fetch {
                url: url.clone(),
                reason: format!("not finished within {FETCH_TIMEOUT:?}"),
            })??;
        }
        Place::File(path) => {
            let copied = tokio::fs::copy(path, download.path()).await;
            copied
                .map_err(|error| ArtifactError::Fetch { url: path.display().to_string(), reason: error.to_string() })?;
        }
    }
    // Hashing and unpacking are CPU and disk work, kept off the runtime's threads.
    let mode = artifact.getter_mode.clone();
    let (task_dir, scratch) = (task_dir.to_owned(), scratch.to_owned());
    let work = move || place(&source, &mode, download, &task_dir, &scratch, &destination);
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| {
        Err(ArtifactError::Unpack { url: artifact.getter_source.clone(), reason: error.to_string() })
    })
}

/// Verifies the download and puts it, or what is in it, at its destination.
fn place(
    source: &Source,
    mode: &str,
    download: tempfile::NamedTempFile,
    task_dir: &Path,
    scratch: &Path,
    destination: &Path,
) -> Result<(), ArtifactError> {
    if let Some(expected) = &source.checksum {
        expected.verify(download.path(), &source.shown)?;
    }
    let write = |error| ArtifactError::Write { path: destination.display().to_string(), error };
    // Below the task's directory, whatever links an earlier artifact or another task puts there.
    let tree = Rooted::open(task_dir).map_err(write)?;
    let folder = |dir: &Path| {
        let inside = dir.strip_prefix(task_dir).map_err(|_| write(io::ErrorKind::IsADirectory.into()))?;
        tree.dir(inside, true).map_err(write)
    };
    let adopt = |from: &Path, to: &Path| {
        let (parent, name) = to.parent().zip(to.file_name()).unwrap_or((task_dir, to.as_os_str()));
        folder(parent)?.adopt(from, name).map_err(write)
    };
    if let Some(archive) = source.archive {
        let unpack = |to: &Rooted| {
            unpack::unpack(archive, download.path(), to, &source.file_name)
                .map_err(|reason| ArtifactError::Unpack { url: source.shown.clone(), reason })
        };
        if mode != "file" {
            return unpack(&tree.at(folder(destination)?));
        }
        let inside = tempfile::tempdir_in(scratch).map_err(write)?;
        unpack(&Rooted::open(inside.path()).map_err(write)?)?;
        let only = only_file(inside.path()).ok_or_else(|| ArtifactError::Unpack {
            url: source.shown.clone(),
            reason: "mode file needs an archive of exactly one file".to_owned(),
        })?;
        return adopt(&only, destination);
    }
    if mode == "dir" {
        let reason = "mode dir needs an archive (tar, tar.gz, zip)".to_owned();
        return Err(ArtifactError::Unsupported { source_text: source.shown.clone(), reason });
    }
    let file = if mode == "file" { destination.to_owned() } else { destination.join(&source.file_name) };
    download.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(write)?;
    adopt(download.path(), &file)
}

async fn download_to(url: &str, artifact: &Artifact, path: &Path) -> Result<(), ArtifactError> {
    let failed =
        |error: &dyn std::error::Error| ArtifactError::Fetch { url: url.to_owned(), reason: with_causes(error) };
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .danger_accept_invalid_certs(artifact.getter_insecure)
        .build()
        .map_err(|error| failed(&error))?;
    let mut request = http.get(url);
    for (name, value) in &artifact.getter_headers {
        request = request.header(name, value);
    }
    let response =
        request.send().await.and_then(reqwest::Response::error_for_status).map_err(|error| failed(&error))?;
    let mut file = tokio::fs::File::create(path).await.map_err(|error| failed(&error))?;
    let mut body = response.bytes_stream();
    let mut size = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| failed(&error))?;
        size += chunk.len() as u64;
        if size > FETCH_BYTES_MAX {
            return Err(ArtifactError::TooLarge { url: url.to_owned(), limit: FETCH_BYTES_MAX });
        }
        file.write_all(&chunk)
            .await
            .map_err(|error| ArtifactError::Write { path: path.display().to_string(), error })?;
    }
    file.flush().await.map_err(|error| ArtifactError::Write { path: path.display().to_string(), error })
}

/// `relative` below `base`, refused when it climbs out.
fn below(base: &Path, relative: &str) -> Result<PathBuf, ArtifactError> {
    let mut path = base.to_owned();
    let mut depth = 0_i32;
    for component in Path::new(relative).components() {
        match component {
            Component::Normal(name) => {
                depth += 1;
                path.push(name);
            }
            Component::ParentDir => {
                depth -= 1;
                path.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
        if depth < 0 {
            return Err(ArtifactError::Escapes(relative.to_owned()));
        }
    }
    Ok(path)
}

fn only_file(dir: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(dir).ok()?;
    let only = entries.next()?.ok()?.path();
    (entries.next().is_none() && only.is_file()).then_some(only)
}

#[cfg(test)]
mod tests;
