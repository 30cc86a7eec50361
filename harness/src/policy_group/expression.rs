//! The expression over the verdicts of a group's policies: `a() && (b() || !c())`.
//!
//! Kubewarden's controller accepts an expression that is both CEL and Rhai: calls of the group's policies,
//! `true`, `false`, `!`, `&&`, `||`, `==`, `!=` and parentheses. Exactly that is parsed here.
//!
//! A policy without a verdict (it trapped, or its time was up) is neither true nor false: `a() || b()` is
//! true where one of them is, and `!a()` is as unknown as `a()`.

use std::fmt;

#[cfg(test)]
mod tests;

/// The longest expression, in bytes, and how deep it may nest.
const LONGEST: usize = 4 << 10;
const DEEPEST: usize = 64;

/// An expression over policies' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// `true` or `false`.
    Literal(bool),
    /// Whether the policy of this name accepts.
    Policy(String),
    /// `!a()`.
    Not(Box<Expression>),
    /// Two expressions with the operator between them.
    Both(Box<Expression>, Operator, Box<Expression>),
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `&&`
    And,
    /// `||`
    Or,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {reason}")]
pub struct ExpressionError {
    /// Counted from 1.
    at: usize,
    reason: String,
}

/// From what binds least to what binds most.
const LEVELS: [&[(&str, Operator)]; 3] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual)],
];

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Where it is none, and why.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > LONGEST {
            return Err(ExpressionError { at: 1, reason: format!("it has more than {LONGEST} bytes") });
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let expression = parser.level(0)?;
        match parser.peek() {
            None => Ok(expression),
            Some(found) => Err(parser.error(format!("an operator was expected, not '{found}'"))),
        }
    }

    /// The names of the policies, in the order in which they stand.
    pub fn policies(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Policy(name) => vec![name],
            Self::Not(inner) => inner.policies(),
            Self::Both(left, _, right) => [left.policies(), right.policies()].concat(),
        }
    }

    /// The value of the expression. A policy whose verdict cannot change it any more is not asked.
    pub fn evaluate(&self, ask: &mut dyn FnMut(&str) -> Option<bool>) -> Option<bool> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Policy(name) => ask(name),
            Self::Not(inner) => inner.evaluate(ask).map(|value| !value),
            Self::Both(left, operator, right) => {
                let left = left.evaluate(ask);
                let decisive = match operator {
                    Operator::And => Some(false),
                    Operator::Or => Some(true),
                    Operator::Equal | Operator::NotEqual => None,
                };
                if decisive.is_some() && left == decisive {
                    return left;
                }
                let right = right.evaluate(ask);
                match operator {
                    Operator::And | Operator::Or if right == decisive => right,
                    // Neither decides alone, so that both have to be known.
                    Operator::And | Operator::Or => left.and(right),
                    Operator::Equal => Some(left? == right?),
                    Operator::NotEqual => Some(left? != right?),
                }
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write!(f, "{value}"),
            Self::Policy(name) => write!(f, "{name}()"),
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::Both(left, operator, right) => {
                let known = LEVELS.iter().copied().flatten().find(|(_, known)| known == operator);
                write!(f, "({left} {} {right})", known.map_or("", |(text, _)| text))
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn level(&mut self, level: usize) -> Result<Expression, ExpressionError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(text, _)| self.take(text)) {
            let right = self.level(level + 1)?;
            left = Expression::Both(Box::new(left), *operator, Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, ExpressionError> {
        if self.depth == DEEPEST {
            return Err(self.error(format!("it nests deeper than {DEEPEST}")));
        }
        self.depth += 1;
        let expression = match () {
            () if self.take("!") => Expression::Not(Box::new(self.unary()?)),
            () if self.take("(") => {
                let inner = self.level(0)?;
                self.expect(")")?;
                inner
            }
            () => self.name()?,
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn name(&mut self) -> Result<Expression, ExpressionError> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default().to_owned();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let found = self.peek().map_or("the end".to_owned(), |found| format!("'{found}'"));
            return Err(
                self.error(format!("a call of a policy, true, false, ! or ( was expected, not {found}"))
            );
        }
        self.at += length;
        match name.as_str() {
            "true" => return Ok(Expression::Literal(true)),
            "false" => return Ok(Expression::Literal(false)),
            _ => {}
        }
        self.expect("(")?;
        self.expect(")")?;
        Ok(Expression::Policy(name))
    }

    /// The text from the next character on that is no blank.
    fn rest(&mut self) -> &str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at = self.text.len() - rest.trim_start().len();
        rest.trim_start()
    }

    fn peek(&mut self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn expect(&mut self, token: &str) -> Result<(), ExpressionError> {
        if self.take(token) {
            return Ok(());
        }
        let found = self.peek().map_or("the end".to_owned(), |found| format!("'{found}'"));
        Err(self.error(format!("'{token}' was expected, not {found}")))
    }

    fn error(&self, reason: String) -> ExpressionError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        ExpressionError { at: before.chars().count() + 1, reason }
    }
}
