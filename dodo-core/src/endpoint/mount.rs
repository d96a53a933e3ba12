use std::sync::Arc;

#[cfg(feature = "unstable-internals")]
use http::{Extensions, Uri};

/// The path under which an endpoint with paths of its own is mounted, such as `/billing`.
///
/// Adapters put it into the extensions of each request that [`mount`] routes. The URI of such a
/// request is the whole one, in every framework.
///
/// [`mount`]: https://docs.rs/dodo-axum/latest/dodo_axum/fn.mount.html
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPrefix(Arc<str>);

impl MountPrefix {
    /// Finds the part of `whole` that a router cut off to get `rest`.
    ///
    /// Default: the empty prefix, if `rest` is not the end of `whole`.
    #[must_use]
    pub fn between(whole: &str, rest: &str) -> Self {
        let prefix = match rest {
            "" | "/" => whole,
            rest => whole.strip_suffix(rest).unwrap_or_default(),
        };
        Self(prefix.trim_end_matches('/').into())
    }

    /// Returns the path of `uri` below the prefix that the extensions name: `/plans`, or `/` for the
    /// prefix itself.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    #[must_use]
    pub fn path_below<'u>(extensions: &Extensions, uri: &'u Uri) -> &'u str {
        let path = uri.path();
        let prefix = extensions.get::<Self>().map_or("", |prefix| &prefix.0);
        match path.strip_prefix(prefix) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_the_part_that_a_router_cut_off() {
        for (whole, rest, prefix, below) in [
            ("/billing/plans", "/plans", "/billing", "/plans"),
            ("/billing", "/", "/billing", "/"),
            ("/billing/", "/", "/billing", "/"),
            ("/billing", "", "/billing", "/"),
            ("/plans", "/plans", "", "/plans"),
            ("/", "/", "", "/"),
            ("/a/b", "/c", "", "/a/b"),
        ] {
            let found = MountPrefix::between(whole, rest);
            assert_eq!(&*found.0, prefix, "{whole} {rest}");
            let mut extensions = Extensions::new();
            extensions.insert(found);
            let uri: Uri = whole.parse().unwrap();
            assert_eq!(MountPrefix::path_below(&extensions, &uri), below, "{whole} {rest}");
        }
    }
}
