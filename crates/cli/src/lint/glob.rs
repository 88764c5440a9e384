//! Patterns of paths.

/// Whether a path matches: `*` and `?` stay within one folder, `**` crosses folders, a pattern that
/// ends with `/` or names a folder matches what is below it.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    folders(&pattern, &path)
}

fn folders(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        // What is below a folder that matches, matches.
        (None, _) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skip| folders(rest, &path[skip..])),
        (Some(_), None) => false,
        (Some((name, rest)), Some((first, tail))) => {
            segment(name.as_bytes(), first.as_bytes()) && folders(rest, tail)
        }
    }
}

/// One segment, in time linear in the product of both lengths.
fn segment(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern, path, expect| {
            assert_eq!(matches(pattern, path), expect, "{pattern} on {path}");
        };
        check("migrations/0001*.sql", "migrations/0001_a.up.sql", true);
        check("migrations/*.sql", "migrations/old/1.sql", false);
        check("migrations/**", "migrations/old/1.sql", true);
        check("**/1.sql", "migrations/old/1.sql", true);
        check("**/1.sql", "1.sql", true);
        check("migrations/old", "migrations/old/1.sql", true);
        check("./migrations/old/", "migrations/old/1.sql", true);
        check("migrations/o?d", "migrations/odd/1.sql", true);
        check("migrations/old", "migrations/older/1.sql", false);
        check("*a*b*c", "xxaxxbxxc", true);
        check("*a*b*c", "xxaxxcxxb", false);
        check("", "a", false);
    }
}
