#[derive(Debug, clap::Args)] pub struct Proxy {} impl Proxy { pub fn run(self) -> anyhow::Result<u8> { Ok(0) } }
