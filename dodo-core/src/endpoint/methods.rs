use http::{HeaderValue, Method};

/// The request methods of an endpoint, known at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// `GET` alone. `HEAD` is not implied: it would create what it may not create.
    pub const GET: Self = Self(1);
    /// `POST` alone.
    pub const POST: Self = Self(2);

    /// The methods of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a method is in both.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether `method` is one of these.
    #[must_use]
    pub fn contains(self, method: &Method) -> bool {
        let bit = match *method {
            Method::GET => Self::GET.0,
            Method::POST => Self::POST.0,
            _ => 0,
        };
        self.0 & bit != 0
    }

    /// The value of the `Allow` header.
    #[must_use]
    pub const fn allow(self) -> HeaderValue {
        HeaderValue::from_static(match self.0 {
            1 => "GET",
            2 => "POST",
            _ => "GET, POST",
        })
    }
}
