//! What one rendering knows and has used up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::dependency::Dependency;
use crate::limits::{MAX_NESTING, MAX_VALUE, MAX_WORK};
use crate::source::{Answer, Data, Source};
use crate::value::Value;

/// When a template is rendered, and the chance that it is given.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Timestamp,
    /// From a source that nobody can foresee; what is drawn during the rendering follows from it.
    pub random: [u8; 16],
}

/// The state that functions share during one rendering.
pub(crate) struct Context<'s> {
    pub(crate) source: Option<&'s dyn Source>,
    pub(crate) env: &'s BTreeMap<String, String>,
    pub(crate) error_on_missing_key: bool,
    /// Namespace of variables that name none.
    pub(crate) namespace: Option<&'s str>,
    pub(crate) dependencies: BTreeSet<Dependency>,
    pub(crate) missing: Vec<Dependency>,
    pub(crate) scratch: BTreeMap<Arc<str>, Value>,
    pub(crate) moment: Option<Moment>,
    /// How often something was drawn by lot.
    drawn: u64,
    spent: usize,
}

impl<'s> Context<'s> {
    pub(crate) fn new(source: Option<&'s dyn Source>, env: &'s BTreeMap<String, String>) -> Self {
        Self {
            source,
            env,
            error_on_missing_key: false,
            namespace: None,
            dependencies: BTreeSet::new(),
            missing: Vec::new(),
            scratch: BTreeMap::new(),
            moment: None,
            drawn: 0,
            spent: 0,
        }
    }

    /// The source, or why there is none.
    pub(crate) fn source(&self) -> Result<&'s dyn Source, String> {
        self.source.ok_or_else(|| "not available in this template".to_owned())
    }

    /// The time of the rendering, or why there is none.
    pub(crate) fn moment(&self) -> Result<&Moment, String> {
        self.moment.as_ref().ok_or_else(|| "not available in this template".to_owned())
    }

    /// Bytes drawn by lot.
    pub(crate) fn random(&mut self) -> Result<[u8; 16], String> {
        let seed = self.moment()?.random;
        self.drawn += 1;
        let digest = Sha256::new().chain_update(seed).chain_update(self.drawn.to_be_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Ok(bytes)
    }

    /// Notes the dependency; `None` while it has not been fetched.
    pub(crate) fn fetch(&mut self, dependency: &Dependency) -> Result<Option<Data>, String> {
        let answer = self.source()?.fetch(dependency);
        self.dependencies.insert(dependency.clone());
        match answer {
            Answer::Found(data) => Ok(Some(data)),
            Answer::NotYet => {
                self.wait_for(dependency);
                Ok(None)
            }
            Answer::Error(message) => Err(format!("{dependency}: {message}")),
        }
    }

    /// The rendering is not complete before this dependency has a (better) answer.
    pub(crate) fn wait_for(&mut self, dependency: &Dependency) {
        if !self.missing.contains(dependency) {
            self.missing.push(dependency.clone());
        }
    }

    /// A name of the task's environment, then of the node.
    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned().or_else(|| self.source.and_then(|source| source.environment(name)))
    }

    /// Charges work to this rendering.
    pub(crate) fn work(&mut self, units: usize) -> Result<(), String> {
        self.spent = self.spent.saturating_add(units);
        match self.spent > MAX_WORK {
            true => Err(format!("the template does too much work (more than {MAX_WORK} units)")),
            false => Ok(()),
        }
    }

    /// Is a function's result small enough to go on with?
    pub(crate) fn admit(&mut self, value: &Value) -> Result<(), String> {
        if value.weight() > MAX_VALUE {
            return Err(format!("the result is larger than {MAX_VALUE} bytes"));
        }
        if value.depth() > MAX_NESTING {
            return Err(format!("the result is nested deeper than {MAX_NESTING} levels"));
        }
        self.work(value.breadth())
    }
}
