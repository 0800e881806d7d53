//! Walks a parsed template and writes its text.
//!
//! The tree comes from `gotmpl`'s parser; evaluation is ours, because functions need the rendering's
//! context, errors need their place, and some values have methods.

use std::sync::Arc;

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, TemplateNode};

use crate::Template;
use crate::context::Context;
use crate::functions::{self, FunctionSet, scratch};
use crate::limits::{MAX_DEPTH, MAX_LOOP, MAX_OUTPUT, NODE_COST};
use crate::value::Value;

/// A failed action: where, and what.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

type Outcome<T> = Result<T, Failure>;

enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering under way.
pub(crate) struct Interpreter<'t, 'c, 's> {
    template: &'t Template,
    context: &'c mut Context<'s>,
    set: FunctionSet,
    variables: Vec<(Arc<str>, Value)>,
    output: String,
    depth: usize,
}

fn fail<T>(offset: usize, message: impl Into<String>) -> Outcome<T> {
    Err(Failure { offset, message: message.into() })
}

impl<'t, 'c, 's> Interpreter<'t, 'c, 's> {
    pub(crate) fn new(template: &'t Template, set: FunctionSet, context: &'c mut Context<'s>) -> Self {
        Self { template, context, set, variables: Vec::new(), output: String::new(), depth: 0 }
    }

    /// Renders the whole template with `data` as dot.
    pub(crate) fn run(mut self, data: &Value) -> Outcome<String> {
        self.variables.push(("$".into(), data.clone()));
        let template = self.template;
        match self.walk(&template.body, data)? {
            Flow::Next => Ok(self.output),
            Flow::Break | Flow::Continue => fail(0, "break or continue outside range"),
        }
    }

    fn walk(&mut self, list: &ListNode, dot: &Value) -> Outcome<Flow> {
        for node in &list.nodes {
            match self.node(node, dot)? {
                Flow::Next => {}
                stop => return Ok(stop),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Outcome<Flow> {
        match node {
            Node::Text(text) => self.write(text.pos.offset, &text.text)?,
            Node::Action(action) => {
                let value = self.pipeline(&action.pipe, dot)?;
                if action.pipe.decl.is_empty() {
                    let offset = action.pos.offset;
                    match &value {
                        Value::Nil => self.write(offset, "<no value>")?,
                        Value::Text(text) => self.write(offset, text)?,
                        other => self.write(offset, &other.to_string())?,
                    }
                }
            }
            Node::If(branch) => return self.scoped(branch, |this| this.branch(branch, dot, false)),
            Node::With(branch) => return self.scoped(branch, |this| this.branch(branch, dot, true)),
            Node::Range(branch) => return self.scoped(branch, |this| this.range(branch, dot)),
            Node::Template(call) => self.call_template(call, dot)?,
            Node::List(list) => return self.walk(list, dot),
            Node::Define(_) => {}
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, offset: usize, text: &str) -> Outcome<()> {
        self.work(offset, NODE_COST + text.len())?;
        if self.output.len() + text.len() > MAX_OUTPUT {
            return fail(offset, format!("the output is longer than {MAX_OUTPUT} bytes"));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn work(&mut self, offset: usize, units: usize) -> Outcome<()> {
        self.context.work(units).map_err(|message| Failure { offset, message })
    }

    /// Runs a block with its own variables, one level deeper.
    fn scoped(&mut self, branch: &BranchNode, block: impl FnOnce(&mut Self) -> Outcome<Flow>) -> Outcome<Flow> {
        self.enter(branch.pos.offset)?;
        let mark = self.variables.len();
        let flow = block(self);
        self.variables.truncate(mark);
        self.depth -= 1;
        flow
    }

    fn enter(&mut self, offset: usize) -> Outcome<()> {
        if self.depth >= MAX_DEPTH {
            return fail(offset, format!("blocks and template calls are nested deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, dot: &Value, with: bool) -> Outcome<Flow> {
        let value = self.pipeline(&branch.pipe, dot)?;
        if value.is_true() {
            self.walk(&branch.body, if with { &value } else { dot })
        } else {
            self.otherwise(branch, dot)
        }
    }

    fn otherwise(&mut self, branch: &BranchNode, dot: &Value) -> Outcome<Flow> {
        match &branch.else_body {
            Some(body) => self.walk(body, dot),
            None => Ok(Flow::Next),
        }
    }

    fn range(&mut self, branch: &BranchNode, dot: &Value) -> Outcome<Flow> {
        let offset = branch.pos.offset;
        let value = self.commands(&branch.pipe, dot)?;
        let pairs: Box<dyn Iterator<Item = (Value, Value)> + '_> = match (value.as_map(), &value) {
            (Some(map), _) => Box::new(map.iter().map(|(key, item)| (Value::Text(key.clone()), item.clone()))),
            (None, Value::List(list)) => {
                Box::new(list.iter().enumerate().map(|(index, item)| (Value::Int(index as i64), item.clone())))
            }
            (None, Value::Int(count)) if *count > MAX_LOOP => {
                return fail(offset, format!("range over {count}: at most {MAX_LOOP} rounds"));
            }
            (None, Value::Int(count)) => Box::new((0..*count).map(|index| (Value::Int(index), Value::Int(index)))),
            (None, Value::Nil) => Box::new(std::iter::empty()),
            (None, other) => {
                return fail(offset, format!("range can't iterate over {}", other.kind()));
            }
        };
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() {
            return self.otherwise(branch, dot);
        }
        for (index, item) in pairs {
            if matches!(self.round(branch, index, &item)?, Flow::Break) {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn round(&mut self, branch: &BranchNode, index: Value, item: &Value) -> Outcome<Flow> {
        self.work(branch.pos.offset, NODE_COST)?;
        let mark = self.variables.len();
        match branch.pipe.decl.as_slice() {
            [] => {}
            [one] => self.bind(one, item.clone(), branch.pipe.is_assign),
            [first, second, ..] => {
                self.bind(first, index, branch.pipe.is_assign);
                self.bind(second, item.clone(), branch.pipe.is_assign);
            }
        }
        let flow = self.walk(&branch.body, item);
        self.variables.truncate(mark);
        flow
    }

    fn bind(&mut self, name: &str, value: Value, assign: bool) {
        if assign && let Some(slot) = self.variables.iter_mut().rev().find(|(known, _)| known.as_ref() == name) {
            slot.1 = value;
            return;
        }
        self.variables.push((name.into(), value));
    }

    fn call_template(&mut self, call: &TemplateNode, dot: &Value) -> Outcome<()> {
        let offset = call.pos.offset;
        let data = match &call.pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Value::Nil,
        };
        let template = self.template;
        let Some(body) = template.defines.get(call.name.as_str()) else {
            return fail(offset, format!("template {:?} is not defined", call.name.as_str()));
        };
        self.enter(offset)?;
        self.work(offset, NODE_COST)?;
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), data.clone())]);
        let flow = self.walk(body, &data);
        self.variables = outer;
        self.depth -= 1;
        match flow? {
            Flow::Next => Ok(()),
            Flow::Break | Flow::Continue => fail(offset, "break or continue outside range"),
        }
    }

    /// A pipeline's value, after binding what it declares.
    fn pipeline(&mut self, pipe: &PipeNode, dot: &Value) -> Outcome<Value> {
        let value = self.commands(pipe, dot)?;
        if let Some(name) = pipe.decl.first() {
            self.bind(name, value.clone(), pipe.is_assign);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &PipeNode, dot: &Value) -> Outcome<Value> {
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &CommandNode, dot: &Value, piped: Option<Value>) -> Outcome<Value> {
        let Some((first, rest)) = command.args.split_first() else {
            return fail(command.pos.offset, "empty command");
        };
        let offset = first.pos().offset;
        if let Expr::Identifier(_, name) = first {
            return match name.as_str() {
                "and" | "or" => self.short_circuit(name, rest, dot, piped, offset),
                _ => {
                    let args = self.arguments(rest, dot, piped)?;
                    let value = self.call(name, &args, offset)?;
                    if functions::changes_in_place(name)
                        && let Some(Expr::Variable(_, variable, fields)) = rest.first()
                        && fields.is_empty()
                    {
                        self.bind(variable, value.clone(), true);
                    }
                    Ok(value)
                }
            };
        }
        let args = self.arguments(rest, dot, piped)?;
        let (base, fields) = match first {
            Expr::Field(_, fields) => (dot.clone(), fields.as_slice()),
            Expr::Variable(_, name, fields) => (self.variable(name, offset)?, fields.as_slice()),
            Expr::Chain(_, inner, fields) => (self.operand(inner, dot)?, fields.as_slice()),
            Expr::Nil(_) => return fail(offset, "nil is not a command"),
            other => (self.operand(other, dot)?, [].as_slice()),
        };
        let Some((last, path)) = fields.split_last() else {
            return match args.is_empty() {
                true => Ok(base),
                false => fail(offset, "can't give an argument to something that is not a function"),
            };
        };
        let mut value = base;
        for name in path {
            value = self.field(&value, name, offset)?;
        }
        self.method_or_field(&value, last, &args, offset)
    }

    fn arguments(&mut self, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Outcome<Vec<Value>> {
        let mut args = Vec::with_capacity(exprs.len() + 1);
        for expr in exprs {
            args.push(self.operand(expr, dot)?);
        }
        args.extend(piped);
        Ok(args)
    }

    fn short_circuit(
        &mut self,
        name: &str,
        exprs: &[Expr],
        dot: &Value,
        piped: Option<Value>,
        offset: usize,
    ) -> Outcome<Value> {
        let stop_at = name == "or";
        let mut last = None;
        for expr in exprs {
            let value = self.operand(expr, dot)?;
            if value.is_true() == stop_at {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => fail(offset, format!("{name}: wants at least 1 argument, got 0")),
        }
    }

    fn call(&mut self, name: &str, args: &[Value], offset: usize) -> Outcome<Value> {
        let Some(function) = functions::find(self.set, name) else {
            return fail(offset, format!("function {name:?} not defined"));
        };
        function.call(self.context, name, args).map_err(|message| Failure { offset, message })
    }

    fn variable(&self, name: &str, offset: usize) -> Outcome<Value> {
        match self.variables.iter().rev().find(|(known, _)| known.as_ref() == name) {
            Some((_, value)) => Ok(value.clone()),
            None => fail(offset, format!("undefined variable {name:?}")),
        }
    }

    fn operand(&mut self, expr: &Expr, dot: &Value) -> Outcome<Value> {
        let offset = expr.pos().offset;
        match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(_, fields) => self.path(dot.clone(), fields, offset),
            Expr::Variable(_, name, fields) => {
                let value = self.variable(name, offset)?;
                self.path(value, fields, offset)
            }
            Expr::Identifier(_, name) => self.call(name, &[], offset),
            Expr::String(_, text) => Ok(Value::Text(text.clone())),
            Expr::Number(_, Number::Int(value)) => Ok(Value::Int(*value)),
            Expr::Number(_, Number::Float(value)) => Ok(Value::Float(*value)),
            Expr::Number(_, Number::Uint(value)) => fail(offset, format!("{value} overflows int")),
            Expr::Bool(_, value) => Ok(Value::Bool(*value)),
            Expr::Nil(_) => Ok(Value::Nil),
            Expr::Pipe(_, pipe) => self.pipeline(pipe, dot),
            Expr::Chain(_, inner, fields) => {
                let value = self.operand(inner, dot)?;
                self.path(value, fields, offset)
            }
        }
    }

    fn path(&mut self, mut value: Value, fields: &[gotmpl::parse::SmolStr], offset: usize) -> Outcome<Value> {
        for name in fields {
            value = self.method_or_field(&value, name, &[], offset)?;
        }
        Ok(value)
    }

    fn method_or_field(&mut self, value: &Value, name: &str, args: &[Value], offset: usize) -> Outcome<Value> {
        let result = match (value, name) {
            (Value::Scratch, _) => scratch::method(self.context, name, args),
            (Value::List(_), "Contains") => functions::list_contains(value, args),
            _ if args.is_empty() => return self.field(value, name, offset),
            _ => Err(format!("{name} of {} takes no argument", value.kind())),
        };
        result.map_err(|message| Failure { offset, message })
    }

    fn field(&mut self, value: &Value, name: &str, offset: usize) -> Outcome<Value> {
        let found = match value {
            Value::Map(map) => map.get(name).cloned(),
            Value::Record(record) => match record.get(name) {
                None if record.items.is_none() => {
                    let known: Vec<&str> = record.fields.iter().map(|(name, _)| *name).collect();
                    return fail(offset, format!("{} has no field {name}; it has {}", record.kind, known.join(", ")));
                }
                found => found,
            },
            Value::Nil => None,
            other => return fail(offset, format!("can't evaluate field {name} in type {}", other.kind())),
        };
        match found {
            Some(value) => Ok(value),
            None if self.context.error_on_missing_key => fail(offset, format!("the map has no entry for key {name:?}")),
            None => Ok(Value::Nil),
        }
    }
}
