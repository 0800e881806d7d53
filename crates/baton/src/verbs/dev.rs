//! `baton dev [FILE…]`

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::cli::logging::Logging;
use crate::dev::{self, Options};

/// Start a whole edge in one process tree, for trying things out.
///
/// One server, virtual nodes with a loopback address each, the catalog and the API; nothing else needs to be installed and
/// no root. The jobs of the given files are run; the nodes' datacenter and metadata are what these jobs ask for. Ctrl-C
/// stops everything and leaves nothing behind, except a data directory that was given: with it the next start goes on. A
/// second Ctrl-C kills.
#[derive(Debug, Args)]
pub struct Dev {
    /// How many virtual nodes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    nodes: u8,
    /// Metadata of every node: name=value; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    meta: Vec<String>,
    /// Datacenter of every node
    #[arg(long, value_name = "NAME")]
    datacenter: Option<String>,
    /// Address of the first node; the others follow it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.11")]
    node_base: Ipv4Addr,
    /// Where the API answers; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4646")]
    api_addr: SocketAddr,
    /// Where the catalog answers; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8500")]
    catalog_addr: SocketAddr,
    /// Use the Consul agent at this address as the catalog
    #[arg(long, value_name = "ADDR")]
    consul: Option<String>,
    /// Keep the state here and go on with what runs [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print what was started as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    logging: Logging,
    /// Job files to run
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Dev {
    pub fn run(self) -> Result<u8> {
        self.logging.init()?;
        let options = Options {
            nodes: self.nodes,
            meta: self.meta.iter().map(|pair| dev::split_meta(pair)).collect::<Result<BTreeMap<_, _>>>()?,
            datacenter: self.datacenter,
            node_base: self.node_base,
            api: self.api_addr,
            catalog: self.catalog_addr,
            consul: self.consul,
            data_dir: self.data_dir,
            json: self.json,
            files: self.files,
        };
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(dev::run(options))
    }
}
