//! Expressions in one canonical spelling, as PostgreSQL's own deparser would make them one:
//! a small operator-precedence reader (PostgreSQL manual §4.1.6) over tokens.

use downhaul_syntax::Dialect;

use super::normal::word;
use super::tokens::{Kind, tokens};

/// Depth of nesting that is read; deeper texts are compared word by word.
const MAX_DEPTH: u32 = 64;

/// The canonical spelling; `None` where the text is no expression that is understood here.
pub(super) fn canonical(text: &str, dialect: Dialect) -> Option<String> {
    let all: Vec<(Kind, String)> = tokens(text, dialect)
        .iter()
        .filter(|t| t.kind != Kind::Space)
        .map(|t| (t.kind, word(t, dialect)))
        .collect();
    if all.is_empty() || all[0].1 == "select" || all[0].1 == "with" {
        return None;
    }
    let mut reader = Reader { all: &all, at: 0, depth: 0, mysql: dialect.is_mysql_family() };
    let node = reader.expression(0)?;
    (reader.at == all.len()).then_some(node.text)
}

/// A part of an expression, already canonical.
struct Node {
    text: String,
    /// A literal: casts of it say nothing that its place does not.
    literal: bool,
    /// Operands of an AND or OR, to be merged with those of an outer one.
    list: Option<(&'static str, Vec<String>)>,
}

impl Node {
    fn new(text: String) -> Self {
        Self { text, literal: false, list: None }
    }
}

struct Reader<'t> {
    all: &'t [(Kind, String)],
    at: usize,
    depth: u32,
    mysql: bool,
}

impl Reader<'_> {
    fn peek(&self) -> &str {
        self.all.get(self.at).map_or("", |(_, text)| text)
    }

    fn peek_at(&self, ahead: usize) -> &str {
        self.all.get(self.at + ahead).map_or("", |(_, text)| text)
    }

    fn kind(&self) -> Option<Kind> {
        self.all.get(self.at).map(|(kind, _)| *kind)
    }

    fn eat(&mut self, text: &str) -> bool {
        // A string literal may hold any text: only words and operators are eaten.
        let hit = self.peek() == text && self.kind() != Some(Kind::Str);
        if hit {
            self.at += 1;
        }
        hit
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.eat(text).then_some(())
    }

    /// Reads operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Option<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.prefix()?;
        while let Some((op, strength)) = self.operator() {
            if strength < least {
                break;
            }
            left = self.infix(left, &op, strength)?;
        }
        self.depth -= 1;
        Some(left)
    }

    /// The operator that comes next, and how tightly it binds.
    fn operator(&self) -> Option<(String, u8)> {
        let text = self.peek();
        let strength = match self.kind()? {
            Kind::Word => match text {
                "or" => 1,
                "and" => 2,
                "is" | "isnull" | "notnull" => 4,
                "in" | "like" | "ilike" | "between" | "similar" | "rlike" | "regexp" | "glob" => 6,
                "not" => match self.peek_at(1) {
                    "in" | "like" | "ilike" | "between" | "similar" | "rlike" | "regexp" => 6,
                    _ => return None,
                },
                "div" | "mod" if self.mysql => 9,
                "at" if self.peek_at(1) == "time" => 11,
                "collate" => 12,
                _ => return None,
            },
            Kind::Op => match text {
                "<" | ">" | "=" | "<=" | ">=" | "<>" => 5,
                "+" | "-" => 8,
                "*" | "/" | "%" => 9,
                "^" => 10,
                "[" => 14,
                "::" => 15,
                "||" if self.mysql => 1,
                "&&" if self.mysql => 2,
                ")" | "]" | "," | ";" | "(" | "." | ":" => return None,
                _ => 7,
            },
            _ => return None,
        };
        Some((text.to_owned(), strength))
    }

    fn infix(&mut self, left: Node, op: &str, strength: u8) -> Option<Node> {
        self.at += 1;
        match op {
            "or" | "and" => {
                let right = self.expression(strength + 1)?;
                let word = if op == "or" { "or" } else { "and" };
                Some(joined(word, left, right))
            }
            "::" => {
                let ty = self.type_name()?;
                Some(cast(left, &ty))
            }
            "[" => {
                let index = self.expression(0)?;
                let mut text = index.text;
                if self.eat(":") {
                    text = format!("{text}:{}", self.expression(0)?.text);
                }
                self.expect("]")?;
                Some(Node::new(format!("{}[{text}]", left.text)))
            }
            "isnull" => Some(Node::new(format!("({} is null)", left.text))),
            "notnull" => Some(Node::new(format!("({} is not null)", left.text))),
            "is" => {
                let mut words = vec!["is".to_owned()];
                if self.eat("not") {
                    words.push("not".into());
                }
                if self.eat("distinct") {
                    self.expect("from")?;
                    let right = self.expression(strength + 1)?;
                    words.push("distinct from".into());
                    return Some(Node::new(format!(
                        "({} {} {})",
                        left.text,
                        words.join(" "),
                        right.text
                    )));
                }
                let what = self.peek().to_owned();
                if !matches!(what.as_str(), "null" | "true" | "false" | "unknown") {
                    return None;
                }
                self.at += 1;
                words.push(what);
                Some(Node::new(format!("({} {})", left.text, words.join(" "))))
            }
            "not" => {
                let op = self.peek().to_owned();
                self.at += 1;
                self.special(left, &op, true)
            }
            "in" | "like" | "ilike" | "between" | "similar" | "rlike" | "regexp" | "glob" => {
                self.special(left, op, false)
            }
            "at" => {
                self.expect("time")?;
                self.expect("zone")?;
                let zone = self.expression(strength + 1)?;
                Some(Node::new(format!("({} at time zone {})", left.text, zone.text)))
            }
            "collate" => {
                let name = self.expression(strength + 1)?;
                Some(Node::new(format!("({} collate {})", left.text, name.text)))
            }
            _ => {
                // `= ANY (…)`: the word is read as a function.
                let right = self.expression(strength + 1)?;
                let op = match op {
                    "~~" => "like",
                    "!~~" => "not like",
                    "~~*" => "ilike",
                    "!~~*" => "not ilike",
                    op => op,
                };
                Some(Node::new(format!("({} {op} {})", left.text, right.text)))
            }
        }
    }

    /// `IN`, `BETWEEN`, `LIKE`, as the server rewrites them.
    fn special(&mut self, left: Node, op: &str, negated: bool) -> Option<Node> {
        let not = if negated { "not " } else { "" };
        match op {
            "in" => {
                self.expect("(")?;
                if self.peek() == "select" {
                    return None;
                }
                let items = self.list(")")?;
                let (compare, word) = if negated { ("<>", "all") } else { ("=", "any") };
                // `IN (x)` is kept as a plain comparison.
                if let [one] = items.as_slice() {
                    return Some(Node::new(format!("({} {compare} {one})", left.text)));
                }
                let items = items.join(",");
                Some(Node::new(format!("({} {compare} {word}(array[{items}]))", left.text)))
            }
            "between" => {
                let low = self.expression(7)?;
                self.expect("and")?;
                let high = self.expression(7)?;
                let text = &left.text;
                let parts = if negated {
                    ("or", format!("({text} < {})", low.text), format!("({text} > {})", high.text))
                } else {
                    (
                        "and",
                        format!("({text} >= {})", low.text),
                        format!("({text} <= {})", high.text),
                    )
                };
                Some(joined(parts.0, Node::new(parts.1), Node::new(parts.2)))
            }
            "similar" => {
                self.expect("to")?;
                let right = self.expression(7)?;
                Some(Node::new(format!("({} {not}similar to {})", left.text, right.text)))
            }
            op => {
                let right = self.expression(7)?;
                if self.peek() == "escape" {
                    return None;
                }
                Some(Node::new(format!("({} {not}{op} {})", left.text, right.text)))
            }
        }
    }

    fn prefix(&mut self) -> Option<Node> {
        let text = self.peek().to_owned();
        match self.kind()? {
            Kind::Number => {
                self.at += 1;
                Some(Node { text, literal: true, list: None })
            }
            Kind::Str => {
                self.at += 1;
                // `'-1'::integer` is how the server writes a negative number.
                let number = text
                    .strip_prefix('\'')
                    .and_then(|t| t.strip_suffix('\''))
                    .filter(|t| t.starts_with('-') && t.parse::<f64>().is_ok());
                if let Some(number) = number
                    && self.peek() == "::"
                {
                    return Some(Node { text: number.to_owned(), literal: true, list: None });
                }
                Some(Node { text, literal: true, list: None })
            }
            Kind::Op => match text.as_str() {
                "(" => self.parenthesis(),
                "-" => {
                    self.at += 1;
                    let node = self.expression(13)?;
                    let text = if node.literal {
                        format!("-{}", node.text)
                    } else {
                        format!("(- {})", node.text)
                    };
                    Some(Node { text, literal: node.literal, list: None })
                }
                "+" => {
                    self.at += 1;
                    self.expression(13)
                }
                "*" => {
                    self.at += 1;
                    Some(Node::new("*".into()))
                }
                "@" | "~" | "!" | "|/" => {
                    self.at += 1;
                    let node = self.expression(8)?;
                    Some(Node::new(format!("({text} {})", node.text)))
                }
                _ => None,
            },
            Kind::Word => match text.as_str() {
                "not" => {
                    self.at += 1;
                    let node = self.expression(3)?;
                    Some(Node::new(format!("(not {})", node.text)))
                }
                "case" => self.case(),
                "cast" if self.peek_at(1) == "(" => {
                    self.at += 2;
                    let node = self.expression(0)?;
                    self.expect("as")?;
                    let ty = self.type_name()?;
                    self.expect(")")?;
                    Some(cast(node, &ty))
                }
                "array" if self.peek_at(1) == "[" => {
                    self.at += 2;
                    let items = self.list("]")?;
                    Some(Node::new(format!("array[{}]", items.join(","))))
                }
                "extract" if self.peek_at(1) == "(" => {
                    self.at += 2;
                    let field = self.peek().trim_matches('\'').to_owned();
                    self.at += 1;
                    self.expect("from")?;
                    let node = self.expression(0)?;
                    self.expect(")")?;
                    Some(Node::new(format!("extract({field} from {})", node.text)))
                }
                "select" | "exists" | "with" => None,
                "null" | "true" | "false" => {
                    self.at += 1;
                    Some(Node { text, literal: true, list: None })
                }
                "interval" | "date" | "timestamp" | "timestamptz" | "time"
                    if self.all.get(self.at + 1).is_some_and(|(k, _)| *k == Kind::Str) =>
                {
                    let value = self.peek_at(1).to_owned();
                    self.at += 2;
                    Some(Node { text: value, literal: true, list: None })
                }
                _ => self.name(),
            },
            Kind::Quoted => self.name(),
            Kind::Space => None,
        }
    }

    fn parenthesis(&mut self) -> Option<Node> {
        self.expect("(")?;
        if self.peek() == "select" {
            return None;
        }
        let node = self.expression(0)?;
        if self.peek() == "," {
            let mut items = vec![node.text];
            while self.eat(",") {
                items.push(self.expression(0)?.text);
            }
            self.expect(")")?;
            return Some(Node::new(format!("row({})", items.join(","))));
        }
        self.expect(")")?;
        Some(node)
    }

    fn list(&mut self, close: &str) -> Option<Vec<String>> {
        let mut items = Vec::new();
        if self.eat(close) {
            return Some(items);
        }
        loop {
            self.eat("distinct").then(|| items.push("distinct".into()));
            items.push(self.expression(0)?.text);
            if self.eat(",") {
                continue;
            }
            self.expect(close)?;
            return Some(items);
        }
    }

    fn case(&mut self) -> Option<Node> {
        self.expect("case")?;
        let mut out = String::from("case");
        if self.peek() != "when" {
            out.push_str(&format!(" {}", self.expression(0)?.text));
        }
        while self.eat("when") {
            let when = self.expression(0)?;
            self.expect("then")?;
            let then = self.expression(0)?;
            out.push_str(&format!(" when {} then {}", when.text, then.text));
        }
        if self.eat("else") {
            out.push_str(&format!(" else {}", self.expression(0)?.text));
        }
        self.expect("end")?;
        out.push_str(" end");
        Some(Node::new(out))
    }

    /// A column, or a function with its arguments.
    fn name(&mut self) -> Option<Node> {
        let mut text = self.peek().to_owned();
        self.at += 1;
        while self.peek() == "." && self.kind() == Some(Kind::Op) {
            self.at += 1;
            text = format!("{text}.{}", self.peek());
            self.at += 1;
        }
        for built_in in ["pg_catalog.", "public."] {
            if let Some(rest) = text.strip_prefix(built_in) {
                text = rest.to_owned();
            }
        }
        if self.peek() == "(" {
            self.at += 1;
            let items = self.list(")")?;
            if self.mysql
                && items.is_empty()
                && matches!(text.as_str(), "now" | "current_timestamp")
            {
                return Some(Node::new("current_timestamp".into()));
            }
            return Some(Node::new(format!("{text}({})", items.join(","))));
        }
        Some(Node::new(text))
    }

    fn type_name(&mut self) -> Option<String> {
        let mut text = self.peek().to_owned();
        if !matches!(self.kind()?, Kind::Word | Kind::Quoted) {
            return None;
        }
        self.at += 1;
        while self.peek() == "." {
            self.at += 1;
            text = self.peek().to_owned();
            self.at += 1;
        }
        let more = |reader: &mut Self, text: &mut String, word: &str| {
            if reader.eat(word) {
                text.push(' ');
                text.push_str(word);
            }
        };
        match text.as_str() {
            "character" | "bit" => more(self, &mut text, "varying"),
            "double" => more(self, &mut text, "precision"),
            _ => {}
        }
        if self.eat("(") {
            let args = self.list(")")?;
            text = format!("{text}({})", args.join(","));
        }
        if matches!(self.peek(), "with" | "without") && self.peek_at(1) == "time" {
            let zone = self.peek() == "with";
            self.at += 3;
            if zone {
                text.push_str("tz");
            }
        }
        while self.eat("[") {
            if self.kind() == Some(Kind::Number) {
                self.at += 1;
            }
            self.expect("]")?;
            if !text.ends_with("[]") {
                text.push_str("[]");
            }
        }
        Some(usual_name(&text).map_or(text, str::to_owned))
    }
}

/// PostgreSQL's own name of a type, where another was written (manual §8, table 8.1).
pub(crate) fn usual_name(ty: &str) -> Option<&'static str> {
    Some(match ty {
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "bool" => "boolean",
        "float8" | "float" => "double precision",
        "float4" => "real",
        "decimal" => "numeric",
        "character varying" => "varchar",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        _ => return None,
    })
}

/// A cast, where it changes what the value is: to a date, a truth value, JSON … Casts of literals,
/// to text and between numbers are those that the server itself puts into what it deparses.
fn cast(node: Node, ty: &str) -> Node {
    let implied = matches!(
        ty.trim_end_matches("[]"),
        "text"
            | "varchar"
            | "character varying"
            | "bpchar"
            | "name"
            | "smallint"
            | "integer"
            | "bigint"
            | "numeric"
            | "real"
            | "double precision"
    );
    if node.literal || implied {
        return node;
    }
    Node::new(format!("{}::{ty}", node.text))
}

/// AND and OR as one list of operands.
fn joined(word: &'static str, left: Node, right: Node) -> Node {
    let operands = |node: Node| match node.list {
        Some((w, items)) if w == word => items,
        _ => vec![node.text],
    };
    let mut items = operands(left);
    items.extend(operands(right));
    let text = format!("({})", items.join(&format!(" {word} ")));
    Node { text, literal: false, list: Some((word, items)) }
}
