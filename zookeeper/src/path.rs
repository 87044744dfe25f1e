//! Which paths are legal, and who is whose parent; which operation asks which question is left to the tree.

/// The separator of names, and the path of the root.
pub(crate) const ROOT: &str = "/";

/// The path of the parent: all before the last slash, which is the root when nothing is before it.
/// `None` without a slash. The root counts as its own parent.
pub(crate) fn parent_of(path: &str) -> Option<&str> {
    let (parent, _) = path.rsplit_once('/')?;
    Some(if parent.is_empty() { ROOT } else { parent })
}

/// What follows the last slash.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether `path` is absolute and made of legal names.
pub(crate) fn is_legal(path: &str) -> bool {
    if path == ROOT {
        return true;
    }
    let Some(names) = path.strip_prefix('/') else { return false };
    names.split('/').all(|name| !matches!(name, "" | "." | "..")) && names.chars().all(is_legal_character)
}

/// ZooKeeper looks at UTF-16 units, so everything beyond the first plane is two surrogates to it, and not legal.
fn is_legal_character(character: char) -> bool {
    !matches!(u32::from(character), 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_paths_are_absolute_and_made_of_names() {
        for path in [
            "/",
            "/a",
            "/a/b",
            "/a/.b",
            "/a/b..",
            "/Cluster Coordinator",
            "/é",
            "/\u{ffef}",
            "/a/_c_1-lock-0000000000",
        ] {
            assert!(is_legal(path), "{path:?}");
        }
        for path in [
            "",
            "a",
            "a/b",
            "/a/",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/a/..",
            "/a/../b",
            "/\0",
            "/\u{1f}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{e000}",
            "/\u{f8ff}",
            "/\u{fff0}",
            "/\u{ffff}",
            "/\u{1f600}",
        ] {
            assert!(!is_legal(path), "{path:?}");
        }
    }

    #[test]
    fn a_parent_is_what_is_before_the_last_slash() {
        assert_eq!(parent_of("/a/b"), Some("/a"));
        assert_eq!(parent_of("/a"), Some("/"));
        assert_eq!(parent_of("/"), Some("/"));
        assert_eq!(parent_of("a/b"), Some("a"));
        assert_eq!(parent_of("a"), None);
        assert_eq!(name_of("/a/b"), "b");
    }
}
