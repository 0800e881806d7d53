//! net
pub mod activation;
pub mod fds;
pub mod listen;
pub mod notify;
pub mod notify_socket;
pub mod pid;
