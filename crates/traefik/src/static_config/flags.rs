//! Flags (`--entryPoints.web.address=:80`) and environment (`TRAEFIK_ENTRYPOINTS_WEB_ADDRESS`).

use crate::{
    document::{Tree, put},
    finding::{Finding, Mark, Severity},
};

const ENV_PREFIX: &str = "TRAEFIK_";

const CONFIG_FILE: &str = "configfile";

/// The value of `--configFile` in any spelling of its case, with `=` or as the next argument.
pub fn config_file_flag(args: &[String]) -> Option<&str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { continue };
        match flag.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case(CONFIG_FILE) => return Some(value),
            None if flag.eq_ignore_ascii_case(CONFIG_FILE) => return args.next().map(String::as_str),
            _ => {}
        }
    }
    None
}

/// Where a static file is looked for when no flag names one, in order.
pub fn default_files(xdg_config_home: Option<&str>, home: Option<&str>) -> Vec<String> {
    let mut folders = vec!["/etc/traefik".to_owned()];
    folders.extend(xdg_config_home.filter(|d| !d.is_empty()).map(str::to_owned));
    folders.extend(home.filter(|d| !d.is_empty()).map(|d| format!("{d}/.config")));
    folders.push(".".to_owned());
    let names = |folder: String| ["toml", "yaml", "yml"].map(|extension| format!("{folder}/traefik.{extension}"));
    folders.into_iter().flat_map(names).collect()
}

/// Puts all flags but `--configFile` into a tree; `None` when there are none.
pub(super) fn from_args(args: &[String], findings: &mut Vec<Finding>) -> Option<Tree> {
    let mut tree = Tree::map(Mark::default());
    let mut any = false;
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|f| !f.is_empty()) else {
            let message = "expected a flag of the form --option=value";
            findings.push(Finding::new(Severity::Fatal, "", &Mark::labelled(arg), "", message));
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match args.next_if(|next| !next.starts_with('-')) {
                Some(next) => (flag, next.clone()),
                None => (flag, "true".to_owned()),
            },
        };
        if name.eq_ignore_ascii_case(CONFIG_FILE) {
            continue;
        }
        any = true;
        let at = Mark::labelled(&format!("--{name}"));
        if let Err(error) = put(&mut tree, name, &value, &at, true) {
            findings.push(Finding::new(Severity::Fatal, "", &at, "", error.to_string()));
        }
    }
    any.then_some(tree)
}

/// Puts all variables with the prefix into a tree; `None` when there are none. Names are case-insensitive, so
/// map keys come out in lower case; a number between underscores is a list index.
pub(super) fn from_env<'a>(
    env: impl IntoIterator<Item = (&'a str, &'a str)>,
    findings: &mut Vec<Finding>,
) -> Option<Tree> {
    let mut settings: Vec<(&str, &str)> = env
        .into_iter()
        .filter(|(name, _)| name.get(..ENV_PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(ENV_PREFIX)))
        .collect();
    settings.sort_unstable();
    let mut tree = Tree::map(Mark::default());
    for (name, value) in &settings {
        let mut path = String::new();
        for part in name[ENV_PREFIX.len()..].split('_') {
            if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
                path.push_str(&format!("[{part}]"));
            } else {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&part.to_lowercase());
            }
        }
        let at = Mark::labelled(name);
        if let Err(error) = put(&mut tree, &path, value, &at, false) {
            findings.push(Finding::new(Severity::Fatal, "", &at, "", error.to_string()));
        }
    }
    (!settings.is_empty()).then_some(tree)
}
