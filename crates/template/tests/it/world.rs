//! A small outside for templates.

use std::collections::BTreeMap;

use baton_template::{
    Answer, Data, Delimiters, Dependency, Interface, RenderOptions, Rendered, Source, Template, TemplateError, render,
};

#[derive(Default)]
pub(crate) struct World {
    pub(crate) answers: BTreeMap<Dependency, Answer>,
    pub(crate) interfaces: Vec<Interface>,
}

impl World {
    pub(crate) fn with(mut self, dependency: Dependency, data: Data) -> Self {
        self.answers.insert(dependency, Answer::Found(data));
        self
    }

    pub(crate) fn key(self, path: &str, value: &str) -> Self {
        let (path, dc) = (path.to_owned(), None);
        self.with(Dependency::Key { path, dc }, Data::Text(value.to_owned()))
    }

    pub(crate) fn try_render(&self, text: &str) -> Result<Rendered, TemplateError> {
        let template = Template::parse("t", text, &Delimiters::default())?;
        let env = BTreeMap::from([("NOMAD_PORT_http".to_owned(), "8080".to_owned())]);
        let options = RenderOptions { env, ..RenderOptions::default() };
        render(&template, self, &options)
    }

    pub(crate) fn render(&self, text: &str) -> String {
        let rendered = self.try_render(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        rendered.text.unwrap_or_else(|| panic!("{text}: missing {:?}", rendered.missing))
    }

    /// The names of what the template waits for.
    pub(crate) fn missing(&self, text: &str) -> Vec<String> {
        let rendered = self.try_render(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rendered.text.is_none(), !rendered.missing.is_empty());
        rendered.missing.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn error(&self, text: &str) -> String {
        match self.try_render(text) {
            Err(error) => error.to_string(),
            Ok(rendered) => panic!("{text}: no error but {rendered:?}"),
        }
    }
}

impl Source for World {
    fn fetch(&self, dependency: &Dependency) -> Answer {
        self.answers.get(dependency).cloned().unwrap_or(Answer::NotYet)
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn environment(&self, name: &str) -> Option<String> {
        match name {
            "meta.client_type" => Some("edge".to_owned()),
            "node.unique.name" => Some("edge-1".to_owned()),
            _ => None,
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.clone()
    }
}

/// Each template gives its text.
pub(crate) fn all(cases: &[(&str, &str)]) {
    let world = World::default();
    let mut wrong = Vec::new();
    for (text, wanted) in cases {
        match world.try_render(text).map(|rendered| rendered.text) {
            Ok(Some(got)) if got == *wanted => {}
            got => wrong.push(format!("{text}\n  wanted {wanted:?}\n  got    {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
