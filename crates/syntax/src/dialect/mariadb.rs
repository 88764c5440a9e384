//! MariaDB: MySQL's lexical rules.

use super::{Lexical, mysql};

pub(super) const LEXICAL: Lexical = mysql::LEXICAL;
