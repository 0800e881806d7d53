#[derive(Debug, clap::Args)] pub struct Dev {} impl Dev { pub fn run(self) -> anyhow::Result<u8> { Ok(0) } }
