//! What is different with each rendering: the time, and what is drawn by lot.

use bcrypt::Version;
use jiff::Timestamp;
use uuid::Builder;

use super::{Row, args};
use crate::context::Context;
use crate::limits::PASSWORD_COST;
use crate::time_layout;
use crate::value::Value;

/// sprig's functions, in templates that are rendered at a [`crate::Moment`]. Times are UTC.
pub(crate) const SPRIG: &[Row] = &[
    ("now", 0, 0, |c, _| Ok(time_layout::format(c.moment()?.now, time_layout::RFC3339).into())),
    ("date", 2, 2, |c, a| Ok(time_layout::format(time(c, &a[1])?, &args::text(a, 0)?).into())),
    ("htmlDate", 1, 1, |c, a| Ok(time_layout::format(time(c, &a[0])?, "2006-01-02").into())),
    ("unixEpoch", 1, 1, |c, a| Ok(time(c, &a[0])?.as_second().to_string().into())),
    ("uuidv4", 0, 0, |c, _| Ok(Builder::from_random_bytes(c.random()?).into_uuid().to_string().into())),
    ("bcrypt", 1, 1, |c, a| hashed(c, &args::text(a, 0)?).map(Value::from)),
    ("htpasswd", 2, 2, |c, a| {
        let (user, password) = (args::text(a, 0)?, args::text(a, 1)?);
        if user.contains(':') {
            return Err(format!("invalid username: {user}"));
        }
        Ok(format!("{user}:{}", hashed(c, &password)?).into())
    }),
];

/// A time as `now` writes it, or seconds since 1970; anything else is now, as sprig has it.
fn time(context: &Context<'_>, value: &Value) -> Result<Timestamp, String> {
    let known = match value {
        Value::Int(seconds) => Timestamp::from_second(*seconds).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    known.map_or_else(|| context.moment().map(|moment| moment.now), Ok)
}

fn hashed(context: &mut Context<'_>, password: &str) -> Result<String, String> {
    const COST: u32 = 10;
    context.work(PASSWORD_COST)?;
    let salt = context.random()?;
    let hash = bcrypt::hash_with_salt(password, COST, salt).map_err(|error| error.to_string())?;
    Ok(hash.format_for_version(Version::TwoA))
}
