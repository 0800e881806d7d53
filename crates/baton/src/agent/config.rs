//! placeholder
pub fn is_agent_configuration(_: &str) -> bool { false }
pub fn check(_: &str, _: &str) -> Vec<baton_jobspec::Diagnostic> { Vec::new() }
