#[derive(Debug, clap::Args)] pub struct Agent {} impl Agent { pub fn run(self) -> anyhow::Result<u8> { Ok(0) } }
