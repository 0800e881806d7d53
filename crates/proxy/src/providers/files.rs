//! Dynamic configuration files: one file, or a directory with everything below it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_routing::config::FileProvider;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// The most files that are read.
pub const FILES_MAX: usize = 10_000;
/// The largest file that is read.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// How deep below the directory files are looked for.
const DEPTH_MAX: usize = 16;
/// A change counts once nothing more has changed for this long …
const QUIET: Duration = Duration::from_millis(20);
/// … or after this long at the latest.
const QUIET_MAX: Duration = Duration::from_millis(200);
/// Until a place that cannot be watched is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Names of files that are read.
const EXTENSIONS: [&str; 3] = ["toml", "yml", "yaml"];

/// One file's name and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What was found, in the order of names, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub files: Vec<SourceFile>,
    pub errors: Vec<String>,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    place: Place,
    watched: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Directory(PathBuf),
}

impl Files {
    /// The place that the configuration names; a directory goes before a file, as in Traefik. `None` without either.
    pub fn new(provider: &FileProvider) -> Option<Self> {
        let place = match (provider.directory.as_str(), provider.filename.as_str()) {
            ("", "") => return None,
            ("", file) => Place::File(file.into()),
            (directory, _) => Place::Directory(directory.into()),
        };
        Some(Self { place, watched: provider.watch })
    }

    /// Reads everything now.
    pub fn read(&self) -> Found {
        let mut found = Found::default();
        match &self.place {
            Place::File(path) => found.take(path),
            Place::Directory(path) => found.walk(path, 0),
        }
        found.files.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// A watch over the place; it notices nothing when the configuration says so. What changes between two calls of
    /// [`Watch::changed`] is not lost.
    pub fn watch(&self) -> Watch {
        Watch { files: self.clone(), running: None }
    }

    fn watched_directory(&self) -> (&Path, RecursiveMode) {
        match &self.place {
            // A file is replaced by renaming: its directory tells, the old inode does not.
            Place::File(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                (parent.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)
            }
            Place::Directory(path) => (path, RecursiveMode::Recursive),
        }
    }
}

impl Place {
    /// Whether an event in the watched directory may have changed what is read. Content written to other files there,
    /// a log for instance, does not; names that come and go may, since links lead anywhere.
    fn concerns(&self, event: &notify::Event) -> bool {
        use notify::EventKind;
        use notify::event::ModifyKind;
        match event.kind {
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
                event.paths.iter().any(|path| match self {
                    Self::File(file) => path.file_name() == file.file_name(),
                    Self::Directory(_) => is_configuration(path),
                })
            }
            _ => true,
        }
    }
}

impl Found {
    fn walk(&mut self, directory: &Path, depth: usize) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.errors.push(format!("{}: {error}", directory.display())),
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                if depth < DEPTH_MAX {
                    self.walk(&path, depth + 1);
                }
            } else if is_configuration(&path) {
                if self.files.len() >= FILES_MAX {
                    return self.errors.push(format!("more than {FILES_MAX} files; the rest is left out"));
                }
                self.take(&path);
            }
        }
    }

    fn take(&mut self, path: &Path) {
        match read(path) {
            Ok(bytes) => self.files.push(SourceFile { name: path.display().to_string(), bytes }),
            // Gone between listing and reading: as if it had not been there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.files.is_empty() => {}
            Err(error) => self.errors.push(format!("{}: {error}", path.display())),
        }
    }
}

/// A watch in progress.
pub struct Watch {
    files: Files,
    running: Option<(notify::RecommendedWatcher, mpsc::Receiver<()>)>,
}

impl Watch {
    /// Returns after something has changed and come to rest; the first call returns once the watch stands. Cancel-safe.
    pub async fn changed(&mut self) {
        if !self.files.watched {
            return std::future::pending().await;
        }
        loop {
            if let Some((_, events)) = &mut self.running {
                if events.recv().await.is_none() {
                    self.running = None;
                    continue;
                }
                let latest = Instant::now() + QUIET_MAX;
                while Instant::now() < latest && timeout(QUIET, events.recv()).await.is_ok_and(|event| event.is_some())
                {
                }
                return;
            }
            match self.start() {
                // What changed while nobody watched is unknown: look.
                Ok(running) => {
                    self.running = Some(running);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot watch the dynamic configuration, trying again");
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn start(&self) -> notify::Result<(notify::RecommendedWatcher, mpsc::Receiver<()>)> {
        // One waiting event says it all: more would only say it again.
        let (tell, events) = mpsc::channel(1);
        let place = self.files.place.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| place.concerns(&event)) {
                let _ = tell.try_send(());
            }
        })?;
        let (directory, mode) = self.files.watched_directory();
        watcher.watch(directory, mode)?;
        Ok((watcher, events))
    }
}

fn is_configuration(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &Path) -> Files {
        let provider = FileProvider { directory: path.display().to_string(), ..FileProvider::default() };
        Files::new(&provider).unwrap()
    }

    fn names(found: &Found) -> Vec<&str> {
        found.files.iter().map(|file| file.name.rsplit('/').next().unwrap()).collect()
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.TOML", "note.txt", ".hidden.yml", "sub/c.yaml"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = directory(dir.path()).read();
        assert_eq!(names(&found), ["a.TOML", "b.yml", "c.yaml"]);
        assert!(found.errors.is_empty());
        let missing = directory(&dir.path().join("nothing")).read();
        assert_eq!((missing.files.len(), missing.errors.len()), (0, 1));
    }

    #[tokio::test]
    async fn changes_are_noticed_whichever_way_they_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let files = directory(dir.path());
        let mut watch = files.watch();
        watch.changed().await;
        fs::write(dir.path().join("a.yml"), "1").unwrap();
        watch.changed().await;
        assert_eq!(names(&files.read()), ["a.yml"]);
        fs::write(dir.path().join("tmp"), "2").unwrap();
        fs::rename(dir.path().join("tmp"), dir.path().join("a.yml")).unwrap();
        watch.changed().await;
        assert_eq!(files.read().files[0].bytes, b"2");
        fs::create_dir(dir.path().join("sub")).unwrap();
        watch.changed().await;
        fs::write(dir.path().join("sub/b.yml"), "3").unwrap();
        watch.changed().await;
        assert_eq!(names(&files.read()), ["a.yml", "b.yml"]);
    }

    #[tokio::test]
    async fn a_log_beside_the_files_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dynamic.yml"), "1").unwrap();
        fs::write(dir.path().join("proxy.log"), "a").unwrap();
        let provider =
            FileProvider { filename: dir.path().join("dynamic.yml").display().to_string(), ..FileProvider::default() };
        for files in [Files::new(&provider).unwrap(), directory(dir.path())] {
            let mut watch = files.watch();
            watch.changed().await;
            files.read();
            let mut log = fs::OpenOptions::new().append(true).open(dir.path().join("proxy.log")).unwrap();
            std::io::Write::write_all(&mut log, b"line").unwrap();
            assert!(timeout(QUIET_MAX, watch.changed()).await.is_err());
            fs::write(dir.path().join("dynamic.yml"), "2").unwrap();
            watch.changed().await;
        }
    }

    #[tokio::test]
    async fn one_file_is_watched_through_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dynamic.yml");
        fs::write(&path, "1").unwrap();
        let provider = FileProvider { filename: path.display().to_string(), ..FileProvider::default() };
        let files = Files::new(&provider).unwrap();
        let mut watch = files.watch();
        watch.changed().await;
        fs::write(dir.path().join("new"), "2").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        watch.changed().await;
        assert_eq!(files.read().files[0].bytes, b"2");
    }
}
