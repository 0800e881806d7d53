//! The task's environment, and time.

use super::{Row, args};
use crate::context::Context;
use crate::time_layout;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("env", 1, 1, env),
    ("envOrDefault", 2, 2, |c, a| {
        let value = c.environment(&args::text(a, 0)?);
        Ok(value.map_or_else(|| a[1].clone(), Value::from))
    }),
    ("mustEnv", 1, 1, |c, a| {
        let name = args::text(a, 0)?;
        match c.environment(&name).unwrap_or_default() {
            value if value.is_empty() => Err(format!("the variable {name} is not set or empty")),
            value => Ok(Value::from(value)),
        }
    }),
    ("timestamp", 0, 1, timestamp),
    ("sprig_env", 1, 1, env),
];

/// `env` in the proxy's templates.
pub(crate) const SPRIG: &[Row] = &[("env", 1, 1, env)];

fn env(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let name = args::text(a, 0)?;
    Ok(Value::from(context.environment(&name).unwrap_or_default()))
}

/// The time of the rendering in UTC: RFC 3339, `"unix"` seconds, or by a Go layout.
fn timestamp(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let now = context.source()?.now();
    Ok(match args::any_text(a, 0).as_ref() {
        "" => Value::from(time_layout::format(now, time_layout::RFC3339)),
        "unix" => Value::from(now.as_second().to_string()),
        layout => Value::from(time_layout::format(now, layout)),
    })
}
