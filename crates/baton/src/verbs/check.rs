#[derive(Debug, clap::Args)] pub struct Check {} impl Check { pub fn run(self) -> anyhow::Result<u8> { Ok(0) } }
