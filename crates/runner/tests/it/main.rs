//! A client with real processes: the keeper is this binary in another role, server, catalog and template data are stand-ins.

mod hooks;
mod lives;
mod roles;
mod services;
mod succession;
mod survive;
mod templates;
mod world;
