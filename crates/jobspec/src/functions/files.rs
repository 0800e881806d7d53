//! Files and paths, all through the [`Host`]; one that refuses files refuses these too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::{Args, CallError, Outcome, failed, text};
use crate::eval::{Host, Value};

/// Longest file that a function reads.
const MAX_FILE_BYTES: usize = 8 << 20;
/// Steps that one walk through a directory counts for.
pub(super) const WALK_WORK: u64 = 10_000;

fn expanded(path: &str, host: &dyn Host) -> Result<String, CallError> {
    if path == "~" || path.starts_with("~/") {
        let home = host.home_directory().map_err(CallError::Failed)?;
        return Ok(format!("{home}{}", &path[1..]));
    }
    Ok(path.to_owned())
}

fn read(args: &Args<'_>, host: &dyn Host) -> Result<Vec<u8>, CallError> {
    let path = expanded(&args.text(0)?, host)?;
    let bytes = host.read_file(&path).map_err(CallError::Failed)?;
    if bytes.len() > MAX_FILE_BYTES {
        return failed(format!("{path} has {} bytes; at most {MAX_FILE_BYTES} are read", bytes.len()));
    }
    Ok(bytes)
}

pub(super) fn file(args: &Args<'_>, host: &dyn Host) -> Outcome {
    match String::from_utf8(read(args, host)?) {
        Ok(content) => text(content),
        Err(_) => failed(format!(
            "contents of {} are not valid UTF-8; use the filebase64 function to obtain the Base64 encoded contents",
            args.text(0)?
        )),
    }
}

pub(super) fn filebase64(args: &Args<'_>, host: &dyn Host) -> Outcome {
    text(STANDARD.encode(read(args, host)?))
}

pub(super) fn fileexists(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let path = expanded(&args.text(0)?, host)?;
    host.file_exists(&path).map(Value::Bool).map_err(CallError::Failed)
}

pub(super) fn abspath(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let path = args.text(0)?;
    host.absolute_path(&path).map(Value::String).map_err(CallError::Failed)
}

pub(super) fn pathexpand(args: &Args<'_>, host: &dyn Host) -> Outcome {
    text(expanded(&args.text(0)?, host)?)
}

/// The last element of the path; asked of the host first, so that the API refuses it as Nomad's does.
pub(super) fn basename(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let path = args.text(0)?;
    host.absolute_path(&path).map_err(CallError::Failed)?;
    let trimmed = path.trim_end_matches('/');
    text(match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (_, true) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    })
}

pub(super) fn dirname(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let path = args.text(0)?;
    host.absolute_path(&path).map_err(CallError::Failed)?;
    text(match path.rfind('/') {
        None => ".",
        Some(at) => match path[..at].trim_end_matches('/') {
            "" => "/",
            directory => directory,
        },
    })
}

/// Files below a directory that match a pattern with `*`, `**`, `?`, `[…]` and `{a,b}`.
pub(super) fn fileset(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let directory = expanded(&args.text(0)?, host)?;
    let pattern = glob(&args.text(1)?).map_err(|why| CallError::Argument(1, why))?;
    let mut found = host.files_below(&directory).map_err(CallError::Failed)?;
    found.retain(|path| pattern.is_match(path));
    found.sort();
    Ok(Value::List(found.into_iter().map(Value::String).collect()))
}

fn glob(pattern: &str) -> Result<Regex, String> {
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    let mut braces = 0usize;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                out.push_str(if chars.next_if_eq(&'/').is_some() { "(?:.*/)?" } else { ".*" });
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                out.push('[');
                if chars.next_if(|c| matches!(c, '!' | '^')).is_some() {
                    out.push('^');
                }
                for c in chars.by_ref() {
                    match c {
                        ']' => break,
                        '[' | '\\' | '&' | '~' => out.extend(['\\', c]),
                        c => out.push(c),
                    }
                }
                out.push(']');
            }
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Regex::new(&out).map_err(|_| format!("invalid glob pattern {pattern:?}"))
}
