use http::{HeaderValue, Method};

mod private {
    /// Seals [`MethodSet`](super::MethodSet).
    pub trait Sealed {}
}

/// The request methods of an endpoint, as a type: [`Get`], [`Post`], [`GetAndPost`] or [`GetPostDelete`].
pub trait MethodSet: private::Sealed + Send + Sync + 'static {
    /// Whether the set has `GET`.
    const GET: bool;
    /// Whether the set has `POST`.
    const POST: bool;
    /// Whether the set has `DELETE`.
    const DELETE: bool;

    /// Returns whether the set has `method`. `HEAD` is not implied by `GET`: it would create the
    /// object that `GET` creates.
    #[must_use]
    fn contains(method: &Method) -> bool {
        (Self::GET && method == Method::GET)
            || (Self::POST && method == Method::POST)
            || (Self::DELETE && method == Method::DELETE)
    }

    /// Returns the value of the `Allow` header.
    #[doc(hidden)]
    #[must_use]
    fn allow(head: bool) -> HeaderValue {
        if Self::DELETE {
            return HeaderValue::from_static("GET, POST, DELETE");
        }
        HeaderValue::from_static(match (Self::GET, Self::POST, head) {
            (true, true, true) => "GET, HEAD, POST",
            (true, true, false) => "GET, POST",
            (true, false, true) => "GET, HEAD",
            (true, false, false) => "GET",
            (false, ..) => "POST",
        })
    }
}

/// Method sets without a common method. [`Endpoint::or`](super::Endpoint::or) requires it.
#[diagnostic::on_unimplemented(
    message = "two checkouts that both answer `{Self}` cannot share a path",
    label = "both endpoints answer the same method",
    note = "join one endpoint for `Get` and one for `Post`, or mount the second on another path"
)]
pub trait Disjoint<Other> {
    /// The union of both sets.
    type Union: MethodSet;
}

macro_rules! method_sets {
    ($( $(#[$doc:meta])* $name:ident { $get:literal, $post:literal, $delete:literal } )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl private::Sealed for $name {}

        impl MethodSet for $name {
            const GET: bool = $get;
            const POST: bool = $post;
            const DELETE: bool = $delete;
        }

        // If the trait had one implementation, rustc would choose it and report a type mismatch
        // instead of the message above.
        impl Disjoint<Unmatched> for $name {
            type Union = $name;
        }
    )* };
}

method_sets! {
    /// `GET` alone.
    Get { true, false, false }
    /// `POST` alone.
    Post { false, true, false }
    /// `GET` and `POST`.
    GetAndPost { true, true, false }
    /// `GET`, `POST` and `DELETE`.
    GetPostDelete { true, true, true }
}

/// No endpoint has this set.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Unmatched {}

impl Disjoint<Post> for Get {
    type Union = GetAndPost;
}

impl Disjoint<Get> for Post {
    type Union = GetAndPost;
}
