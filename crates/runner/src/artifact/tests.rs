use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Beside the task's directory is what only the agent writes.
async fn fetch(artifact: &Artifact, task: &Path) -> Result<(), ArtifactError> {
    super::fetch(artifact, task, task.parent().unwrap()).await
}

/// A tar.gz of (path, content); a content that starts with `->` makes a symbolic link.
fn tar_gz(path: &Path, entries: &[(&str, &str)]) {
    let mut builder = tar::Builder::new(GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Raw names, so that hostile ones can be written.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o755);
        if let Some(link) = content.strip_prefix("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap().finish().unwrap();
}

fn artifact(source: &Path, mode: &str, options: &[(&str, &str)]) -> Artifact {
    Artifact {
        getter_source: source.display().to_string(),
        getter_mode: mode.to_owned(),
        getter_options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        relative_dest: "local/".to_owned(),
        ..Artifact::default()
    }
}

#[tokio::test]
async fn unpacks_an_archive_with_its_modes() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("tool.tar.gz");
    tar_gz(&archive, &[("bin/tool", "#!/bin/sh\n"), ("bin/alias", "->tool")]);
    let task = dir.path().join("task");
    fetch(&artifact(&archive, "any", &[]), &task).await.unwrap();
    let tool = task.join("local/bin/tool");
    assert_eq!(fs::read_to_string(&tool).unwrap(), "#!/bin/sh\n");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&tool).unwrap().permissions()) & 0o777, 0o755);
    assert_eq!(fs::read_link(task.join("local/bin/alias")).unwrap(), Path::new("tool"));
}

#[tokio::test]
async fn refuses_paths_and_links_that_climb_out() {
    let dir = tempfile::tempdir().unwrap();
    for entries in [
        &[("../evil", "x")][..],
        &[("a/../../evil", "x")],
        &[("/etc/evil", "x")],
        &[("link", "->/etc"), ("link/evil", "x")],
        &[("link", "->../.."), ("link/evil", "x")],
        &[("x", "->."), ("y", "->x/.."), ("z", "->y/..")],
    ] {
        let archive = dir.path().join("evil.tgz");
        tar_gz(&archive, entries);
        let task = dir.path().join("task");
        let error = fetch(&artifact(&archive, "any", &[]), &task).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Unpack { .. }), "{entries:?}: {error}");
        assert!(!dir.path().join("evil").exists() && !Path::new("/etc/evil").exists());
    }
    let mut climbing = artifact(&dir.path().join("evil.tgz"), "any", &[]);
    climbing.relative_dest = "local/../../x".to_owned();
    assert!(matches!(fetch(&climbing, &dir.path().join("task")).await, Err(ArtifactError::Escapes(_))));
}

#[tokio::test]
async fn a_destination_behind_a_link_that_leads_out_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (file, task) = (dir.path().join("data"), dir.path().join("task"));
    fs::write(&file, "hello").unwrap();
    fs::create_dir_all(task.join("local")).unwrap();
    std::os::unix::fs::symlink(dir.path(), task.join("local/out")).unwrap();
    for (mode, relative) in [("any", "local/out"), ("file", "local/out/made"), ("any", "local/out/made/deep")] {
        let mut wanted = artifact(&file, mode, &[("filename", "made")]);
        wanted.relative_dest = relative.to_owned();
        let error = fetch(&wanted, &task).await.unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }
    assert!(!dir.path().join("made").exists());
}

#[tokio::test]
async fn a_link_in_the_way_of_an_archive_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("tool.tar.gz");
    tar_gz(&archive, &[("bin/tool", "new")]);
    let task = dir.path().join("task");
    fs::create_dir_all(task.join("local/bin")).unwrap();
    fs::create_dir_all(dir.path().join("outside")).unwrap();
    let theirs = dir.path().join("outside/tool");
    fs::write(&theirs, "old").unwrap();
    // A file that is a link is replaced, a directory that is one leads out.
    std::os::unix::fs::symlink(&theirs, task.join("local/bin/tool")).unwrap();
    fetch(&artifact(&archive, "any", &[]), &task).await.unwrap();
    assert_eq!(fs::read_to_string(task.join("local/bin/tool")).unwrap(), "new");
    fs::remove_dir_all(task.join("local/bin")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("outside"), task.join("local/bin")).unwrap();
    let error = fetch(&artifact(&archive, "any", &[]), &task).await.unwrap_err();
    assert!(error.to_string().contains("leads out"), "{error}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "old");
}

#[tokio::test]
async fn a_wrong_checksum_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, "hello\n").unwrap();
    let task = dir.path().join("task");
    let right = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let wrong = right.replace("5891", "1985");
    let error = fetch(&artifact(&file, "any", &[("checksum", &wrong)]), &task).await.unwrap_err();
    assert!(error.to_string().contains(right), "{error}");
    assert!(!task.join("local/data").exists());
    let left = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((left(&task), left(dir.path())), (0, 2), "no temporary file is left");
    fetch(&artifact(&file, "any", &[("checksum", right)]), &task).await.unwrap();
    assert_eq!(fs::read_to_string(task.join("local/data")).unwrap(), "hello\n");
}

#[tokio::test]
async fn modes_file_and_dir() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&file).unwrap(), Compression::fast());
    encoder.write_all(b"inside").unwrap();
    encoder.finish().unwrap();
    let task = dir.path().join("task");
    let mut one = artifact(&file, "file", &[]);
    one.relative_dest = "local/renamed".to_owned();
    fetch(&one, &task).await.unwrap();
    assert_eq!(fs::read_to_string(task.join("local/renamed")).unwrap(), "inside");
    fetch(&artifact(&file, "any", &[("archive", "false")]), &task).await.unwrap();
    assert!(task.join("local/data.gz").exists());
    let plain = dir.path().join("plain");
    fs::write(&plain, "x").unwrap();
    assert!(matches!(fetch(&artifact(&plain, "dir", &[]), &task).await, Err(ArtifactError::Unsupported { .. })));
}

#[tokio::test]
async fn other_getters_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (source, word) in
        [("git::https://example.test/x.git", "git"), ("s3://bucket/x", "s3"), ("relative/x", "absolute")]
    {
        let wanted = Artifact { getter_source: source.to_owned(), ..Artifact::default() };
        let error = fetch(&wanted, dir.path()).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn fetches_over_http() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    let dir = tempfile::tempdir().unwrap();
    let wanted = Artifact {
        getter_source: format!("http://{address}/file?keep=1&checksum=md5:5d41402abc4b2a76b9719d911017c592"),
        getter_headers: [("X-Key".to_owned(), "secret".to_owned())].into(),
        relative_dest: "local/".to_owned(),
        ..Artifact::default()
    };
    fetch(&wanted, dir.path()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("local/file")).unwrap(), "hello");
    let head = server.await.unwrap();
    assert!(head.starts_with("GET /file?keep=1 HTTP/1.1"), "{head}");
    assert!(head.to_lowercase().contains("x-key: secret"), "{head}");
}
