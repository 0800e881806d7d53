//! sprig's path functions, for paths with slashes.

use super::{Row, args};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("base", 1, 1, |_, a| {
        let text = args::text(a, 0)?;
        let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        Ok(Value::text(match (text.is_empty(), last) {
            (true, _) => ".",
            (false, "") => "/",
            (false, last) => last,
        }))
    }),
    ("dir", 1, 1, |_, a| {
        let text = args::text(a, 0)?;
        let dir = text.rfind('/').map_or("", |at| &text[..=at]);
        Ok(clean(dir).into())
    }),
    ("clean", 1, 1, |_, a| Ok(clean(&args::text(a, 0)?).into())),
    ("ext", 1, 1, extension),
    ("isAbs", 1, 1, |_, a| Ok(args::text(a, 0)?.starts_with('/').into())),
];

fn extension(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    let name = text.rsplit('/').next().unwrap_or("");
    Ok(Value::text(name.rfind('.').map_or("", |at| &name[at..])))
}

/// The shortest path that means the same, without looking at any file.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}
