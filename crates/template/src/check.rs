//! What Go's parser refuses and `gotmpl`'s lets through: unknown functions and variables, unbalanced blocks.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode};

use crate::exec::Failure;
use crate::functions::{self, FunctionSet};

/// Checks one body; `variables` holds what is declared around it.
pub(crate) fn body(set: FunctionSet, list: &ListNode) -> Result<(), Failure> {
    Checker { set, variables: vec!["$".to_owned()], loops: 0 }.list(list)
}

struct Checker {
    set: FunctionSet,
    variables: Vec<String>,
    loops: usize,
}

fn fail(offset: usize, message: String) -> Result<(), Failure> {
    Err(Failure { offset, message })
}

impl Checker {
    fn list(&mut self, list: &ListNode) -> Result<(), Failure> {
        for node in &list.nodes {
            match node {
                Node::Action(action) => self.pipe(&action.pipe)?,
                Node::If(branch) | Node::With(branch) => self.branch(branch, 0)?,
                Node::Range(branch) => self.branch(branch, 1)?,
                Node::Template(call) => {
                    if let Some(pipe) = &call.pipe {
                        self.pipe(pipe)?;
                    }
                }
                Node::List(list) => self.list(list)?,
                Node::Break(pos) | Node::Continue(pos) if self.loops == 0 => {
                    return fail(pos.offset, "break or continue outside range".to_owned());
                }
                Node::Break(_) | Node::Continue(_) | Node::Text(_) | Node::Define(_) => {}
            }
        }
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, loops: usize) -> Result<(), Failure> {
        let mark = self.variables.len();
        self.pipe(&branch.pipe)?;
        self.loops += loops;
        let declared = self.variables.len();
        self.list(&branch.body)?;
        self.loops -= loops;
        self.variables.truncate(declared);
        if let Some(body) = &branch.else_body {
            self.list(body)?;
        }
        self.variables.truncate(mark);
        Ok(())
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Result<(), Failure> {
        for command in &pipe.commands {
            self.command(command)?;
        }
        for name in &pipe.decl {
            if pipe.is_assign {
                self.known(name, pipe.pos.offset)?;
            } else {
                self.variables.push(name.to_string());
            }
        }
        Ok(())
    }

    fn command(&mut self, command: &CommandNode) -> Result<(), Failure> {
        command.args.iter().try_for_each(|arg| self.expr(arg))
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), Failure> {
        match expr {
            Expr::Identifier(pos, name) => match functions::find(self.set, name) {
                Some(_) => Ok(()),
                None => fail(pos.offset, functions::unknown(self.set, name)),
            },
            Expr::Variable(pos, name, _) => self.known(name, pos.offset),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expr(inner),
            _ => Ok(()),
        }
    }

    fn known(&self, name: &str, offset: usize) -> Result<(), Failure> {
        match self.variables.iter().any(|known| known == name) {
            true => Ok(()),
            false => fail(offset, format!("undefined variable {name:?}")),
        }
    }
}
