//! The public face of the crate: texts in, jobs and findings out.

mod defaults;
mod diffs;
mod expressions;
mod golden;
mod hostile;
mod mistakes;
mod rules;
mod syntax;
mod variables;

use baton_jobspec::{Diagnostic, Host, Inputs, ParseOptions, Parsed, parse};
use serde_json::Value;

/// A host with two files and fixed entropy.
struct TestHost;

impl Host for TestHost {
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "motd" | "/home/me/motd" => Ok(b"hello\n".to_vec()),
            "binary" => Ok(vec![0xff, 0xfe]),
            _ => Err(format!("no file exists at {path}")),
        }
    }

    fn file_exists(&self, path: &str) -> Result<bool, String> {
        Ok(path == "motd")
    }

    fn files_below(&self, directory: &str) -> Result<Vec<String>, String> {
        match directory {
            "conf" => Ok(["a.yml", "b.toml", "sub/c.yml"].map(str::to_owned).to_vec()),
            _ => Err("no such directory".to_owned()),
        }
    }

    fn absolute_path(&self, path: &str) -> Result<String, String> {
        Ok(if path.starts_with('/') { path.to_owned() } else { format!("/here/{path}") })
    }

    fn home_directory(&self) -> Result<String, String> {
        Ok("/home/me".to_owned())
    }

    fn random_bytes(&self) -> Result<[u8; 16], String> {
        Ok([7; 16])
    }
}

fn read(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    read_with(text, Inputs { strict: true, ..Inputs::default() })
}

fn read_with(text: &str, inputs: Inputs) -> Result<Parsed, Vec<Diagnostic>> {
    parse(text, "test.nomad", &ParseOptions { inputs, host: &TestHost })
}

/// A job whose group has the given content, with one task beside it.
fn job_with_group(content: &str) -> String {
    format!(
        "job \"j\" {{\n  group \"g\" {{\n{content}\n    task \"t\" {{\n      driver = \"raw_exec\"\n    }}\n  }}\n}}\n"
    )
}

/// A job whose only task has the given content.
fn job_with_task(content: &str) -> String {
    format!(
        "job \"j\" {{\n  group \"g\" {{\n    task \"t\" {{\n      driver = \"raw_exec\"\n{content}\n    }}\n  }}\n}}\n"
    )
}

fn messages(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::compact).collect::<Vec<_>>().join("\n")
}

fn canonical(parsed: &Parsed) -> Value {
    serde_json::to_value(&parsed.job).expect("jobs are JSON")
}
