//! net
pub mod fds;
pub mod notify_socket;
pub mod pid;
