//! The rule of services whose tags name no router, as a Go template over the service's name and labels.

use std::collections::BTreeMap;

use baton_template::{Delimiters, FunctionSet, Template, TemplateError, render_value};

/// A parsed template.
#[derive(Debug, Clone)]
pub struct DefaultRule(Template);

/// Why a text is no template, or could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("default rule: {0}")]
pub struct DefaultRuleError(#[from] TemplateError);

impl DefaultRule {
    pub fn parse(text: &str) -> Result<Self, DefaultRuleError> {
        Ok(Self(Template::parse_with("defaultRule", text, &Delimiters::default(), FunctionSet::Sprig)?))
    }

    /// The rule for a service; `.Name` and `.Labels` are what the template sees.
    pub fn render(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        env: &BTreeMap<String, String>,
    ) -> Result<String, DefaultRuleError> {
        let data = serde_json::json!({ "Name": name, "Labels": labels });
        Ok(render_value(&self.0, data, env)?)
    }
}
