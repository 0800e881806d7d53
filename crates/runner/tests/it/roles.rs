//! What this binary is when started again with `BATON_TEST_ROLE`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// A test that returns at once, unless the binary was started in a role.
#[test]
fn role() {
    match std::env::var("BATON_TEST_ROLE").as_deref() {
        Ok("keeper") => keeper(),
        Ok("server") => server(),
        _ => {}
    }
}

fn keeper() {
    let dir = PathBuf::from(std::env::var_os("KEEPER_DIR").unwrap());
    // Not beyond the test's process, whatever becomes of it.
    let die_with = std::env::var("KEEPER_DIE_WITH").ok().map(|pid| pid.parse().unwrap());
    let options = baton_keeper::Options { socket: dir.join("keeper.sock"), dir, die_with, remove_dir: None };
    if let Err(error) = baton_keeper::run(options) {
        panic!("{error}");
    }
}

/// Takes its listener from LISTEN_FDS or binds one, stores it, says READY=1, answers with SERVER_NAME, and to HTTP with its
/// health: bad until the file SERVER_HEALED_BY is there. With SERVER_STANDS_BY it knows about standby; with SERVER_HANGS it has
/// the sockets and gets no further.
#[allow(unsafe_code)]
fn server() {
    let listener = match std::env::var("LISTEN_FDS") {
        // SAFETY: descriptor 3 is ours by socket activation.
        Ok(_) => TcpListener::from(unsafe { OwnedFd::from_raw_fd(3) }),
        Err(_) => {
            TcpListener::bind(("127.0.0.1", std::env::var("SERVER_PORT").unwrap().parse::<u16>().unwrap())).unwrap()
        }
    };
    let port = listener.local_addr().unwrap().port();
    println!("port {port}");
    while std::env::var_os("SERVER_HANGS").is_some() {
        std::thread::park();
    }
    for (signal, handler) in [
        (Signal::SIGINT, stop as extern "C" fn(nix::libc::c_int)),
        (Signal::SIGWINCH, stand_by as extern "C" fn(nix::libc::c_int)),
        (Signal::SIGCONT, go_on as extern "C" fn(nix::libc::c_int)),
    ] {
        let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handlers only store to atomics.
        unsafe { sigaction(signal, &action) }.unwrap();
    }
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(std::env::var_os("NOTIFY_SOCKET").unwrap()).unwrap();
    let fds = [listener.as_raw_fd()];
    nix::sys::socket::sendmsg::<()>(
        socket.as_raw_fd(),
        &[std::io::IoSlice::new(b"FDSTORE=1\nFDNAME=web")],
        &[nix::sys::socket::ControlMessage::ScmRights(&fds)],
        nix::sys::socket::MsgFlags::empty(),
        None,
    )
    .unwrap();
    let knows = std::env::var_os("SERVER_STANDS_BY").is_some();
    let mut private = None;
    if knows && std::env::var_os("BATON_STANDBY").is_some() {
        STANDS_BY.store(true, Ordering::SeqCst);
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        own.set_nonblocking(true).unwrap();
        let text = format!("X-BATON-STANDBY=1\nX-BATON-PRIVATE={port}={}", own.local_addr().unwrap());
        socket.send(text.as_bytes()).unwrap();
        private = Some(own);
    }
    socket.send(b"READY=1").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut told = STANDS_BY.load(Ordering::SeqCst);
    // Asked to end, it answers what it has accepted and accepts no more.
    while !STOP.load(Ordering::SeqCst) {
        let stands_by = knows && STANDS_BY.load(Ordering::SeqCst);
        if knows && std::mem::replace(&mut told, stands_by) != stands_by {
            private = None;
            socket.send(format!("X-BATON-STANDBY={}", u8::from(stands_by)).as_bytes()).unwrap();
        }
        let place = if stands_by { private.as_ref() } else { Some(&listener) };
        let mut ready: Vec<PollFd<'_>> =
            place.iter().map(|place| PollFd::new(place.as_fd(), PollFlags::POLLIN)).collect();
        let _ = poll(&mut ready, PollTimeout::from(20u8));
        let Some(Ok((mut stream, _))) = place.map(TcpListener::accept) else { continue };
        stream.set_nonblocking(false).unwrap();
        answer(&mut stream);
    }
}

fn answer(stream: &mut std::net::TcpStream) {
    let mut request = [0; 1024];
    let length = loop {
        match stream.read(&mut request) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            length => break length.unwrap_or(0),
        }
    };
    let sick = std::env::var_os("SERVER_HEALED_BY").is_some_and(|path| !PathBuf::from(path).exists());
    let _ = if request[..length].starts_with(b"GET ") {
        let status = if sick { "500 Internal Server Error" } else { "200 OK" };
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
    } else {
        stream.write_all(std::env::var("SERVER_NAME").unwrap().as_bytes())
    };
}

static STOP: AtomicBool = AtomicBool::new(false);
static STANDS_BY: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_signal: nix::libc::c_int) {
    STOP.store(true, Ordering::SeqCst);
}

extern "C" fn stand_by(_signal: nix::libc::c_int) {
    STANDS_BY.store(true, Ordering::SeqCst);
}

extern "C" fn go_on(_signal: nix::libc::c_int) {
    STANDS_BY.store(false, Ordering::SeqCst);
}
