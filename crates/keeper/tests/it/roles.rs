//! What this binary is when started again with `BATON_TEST_ROLE`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// A test that returns at once, unless the binary was started in a role.
#[test]
fn role() {
    match std::env::var("BATON_TEST_ROLE").as_deref() {
        Ok("keeper") => keeper(),
        Ok("storer") => server(None),
        Ok("successor") => server(Some(())),
        Ok("sender") => sender(),
        _ => {}
    }
}

fn keeper() {
    let dir = PathBuf::from(std::env::var_os("KEEPER_DIR").unwrap());
    let die_with = std::env::var("KEEPER_DIE_WITH").ok().map(|pid| pid.parse().unwrap());
    let remove_dir = std::env::var_os("KEEPER_REMOVE_DIR").map(PathBuf::from);
    let options = baton_keeper::Options { socket: dir.join("keeper.sock"), dir, die_with, remove_dir };
    if let Err(error) = baton_keeper::run(options) {
        panic!("{error}");
    }
}

/// A server that stores its listener and says `READY=1`; with `inherit` it takes the listener from LISTEN_FDS. Answers each
/// connection with its name and process id.
#[allow(unsafe_code)]
fn server(inherit: Option<()>) {
    let listener = match inherit {
        None => TcpListener::bind("127.0.0.1:0").unwrap(),
        Some(()) => {
            assert_eq!(std::env::var("LISTEN_FDS").unwrap(), "1");
            assert_eq!(std::env::var("LISTEN_FDNAMES").unwrap(), "web.0");
            assert_eq!(std::env::var("LISTEN_PID").unwrap(), std::process::id().to_string());
            // SAFETY: descriptor 3 is ours by socket activation, just checked.
            TcpListener::from(unsafe { OwnedFd::from_raw_fd(3) })
        }
    };
    println!("port {}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(std::env::var_os("NOTIFY_SOCKET").unwrap()).unwrap();
    send_fd(&socket, b"FDSTORE=1\nFDNAME=web.0", &listener);
    socket.send(b"READY=1\nSTATUS=serving\nX-BATON-RELOAD=full").unwrap();
    let name = std::env::var("SERVER_NAME").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let _ = writeln!(stream, "{name} {}", std::process::id());
        if line.trim() == "die" {
            std::thread::sleep(Duration::from_millis(10));
            std::process::abort();
        }
    }
}

/// Sends what it is told to, and ends or goes on.
fn sender() {
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(std::env::var_os("NOTIFY_SOCKET").unwrap()).unwrap();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    for turn in 0..number("SEND_STATUS") {
        socket.send(format!("STATUS={turn} {}\nX-BATON-RELOAD={turn}", "x".repeat(1000)).as_bytes()).unwrap();
    }
    for turn in 0..number("SEND_FDS") {
        let (reader, _) = std::io::pipe().unwrap();
        send_fd(&socket, format!("FDSTORE=1\nFDNAME=flood.{turn}").as_bytes(), &reader);
    }
    // Longer than anybody reads, without a line end, and not text.
    let _ = socket.send(&[0xff; 60_000]);
    socket.send(std::env::var("SEND_LAST").unwrap_or_default().as_bytes()).unwrap();
    if number("SEND_STAY") > 0 {
        std::thread::sleep(Duration::from_secs(600));
    }
}

fn send_fd(socket: &UnixDatagram, text: &[u8], fd: &impl AsFd) {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::os::fd::AsRawFd;
    let fds = [fd.as_fd().as_raw_fd()];
    let payload = [std::io::IoSlice::new(text)];
    sendmsg::<()>(socket.as_raw_fd(), &payload, &[ControlMessage::ScmRights(&fds)], MsgFlags::empty(), None).unwrap();
}
