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

/// Takes its listener from LISTEN_FDS or binds one, stores it, says READY=1 unless SERVER_MUTE, answers with SERVER_NAME.
#[allow(unsafe_code)]
fn server() {
    if std::env::var_os("SERVER_FAILS").is_some() {
        panic!("told to fail");
    }
    let listener = match std::env::var("LISTEN_FDS") {
        // SAFETY: descriptor 3 is ours by socket activation.
        Ok(_) => TcpListener::from(unsafe { OwnedFd::from_raw_fd(3) }),
        Err(_) => {
            TcpListener::bind(("127.0.0.1", std::env::var("SERVER_PORT").unwrap().parse::<u16>().unwrap())).unwrap()
        }
    };
    println!("port {}", listener.local_addr().unwrap().port());
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
    socket.send(b"READY=1").unwrap();
    let name = std::env::var("SERVER_NAME").unwrap();
    let action = SigAction::new(SigHandler::Handler(stop), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only stores to an atomic.
    unsafe { sigaction(Signal::SIGINT, &action) }.unwrap();
    listener.set_nonblocking(true).unwrap();
    // Asked to end, it answers what it has accepted and accepts no more.
    while !STOP.load(Ordering::SeqCst) {
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(20u8));
        let Ok((mut stream, _)) = listener.accept() else { continue };
        stream.set_nonblocking(false).unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted) {}
        let _ = stream.write_all(name.as_bytes());
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_signal: nix::libc::c_int) {
    STOP.store(true, Ordering::SeqCst);
}
