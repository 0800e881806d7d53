//! What functions may ask of the machine they run on.

/// Files, paths and entropy for functions such as `file`, `fileset`, `abspath` and `uuidv4`.
///
/// Every method refuses by default; errors are texts for the reader of the job file.
pub trait Host {
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(refusal(path))
    }

    /// Whether a regular file is there; a directory is an error.
    fn file_exists(&self, path: &str) -> Result<bool, String> {
        Err(refusal(path))
    }

    /// Every regular file below a directory, as paths relative to it with `/` between.
    fn files_below(&self, directory: &str) -> Result<Vec<String>, String> {
        Err(refusal(directory))
    }

    /// The path made absolute, without touching the file system otherwise.
    fn absolute_path(&self, path: &str) -> Result<String, String> {
        Err(refusal(path))
    }

    /// The home directory of the person who runs the command.
    fn home_directory(&self) -> Result<String, String> {
        Err(refusal("~"))
    }

    /// Sixteen unpredictable bytes.
    fn random_bytes(&self) -> Result<[u8; 16], String> {
        Err("no source of randomness here".to_owned())
    }
}

/// Refuses everything: for job files that come over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}

fn refusal(path: &str) -> String {
    format!("filesystem functions are disabled (asked for {path:?})")
}
