//! The options of every sink: its name, and the records that it receives.

use dodo_core::attribution::AttributionRecord;

use super::filter::RecordFilter;

/// The options of a sink. [`common`] adds the methods that change them.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The name of the sink, which is part of the key of queued records.
    pub(super) name: String,
    pub(super) filter: RecordFilter,
    /// Whether the sink sends e-mail addresses and names.
    pub(super) personal_data: bool,
}

impl Options {
    /// The default options of a service of a third party.
    pub(super) fn third_party(name: &str) -> Self {
        Self { name: name.to_owned(), filter: RecordFilter::THIRD_PARTY, personal_data: true }
    }

    /// The default options of your own file or code.
    pub(super) fn first_party(name: impl Into<String>) -> Self {
        Self { name: name.into(), filter: RecordFilter::FIRST_PARTY, personal_data: true }
    }

    /// Returns whether the sink requires consent.
    pub(super) fn requires_consent(&self) -> bool {
        self.filter.third_party || self.filter.only_granted
    }

    /// Returns whether the sink may receive this record.
    pub(super) fn accepts(&self, record: &AttributionRecord) -> bool {
        self.filter.accepts(record)
    }
}

/// The methods that sinks have in common, each named once. `with_transport` needs a function `build`
/// of the address, the key and the transport, `transport` a field `http`; the others set what is in a
/// field `options`.
macro_rules! common {
    ($($method:ident),+) => { $($crate::sink::options::common! { @ $method })+ };
    (@ with_transport) => {
        /// Sends to another URL, over your own transport.
        ///
        /// # Errors
        /// [`Config`](crate::ErrorKind::Config) for a URL that is neither https nor on this
        /// machine, and for an empty key.
        pub fn with_transport(
            base_url: &str,
            key: &str,
            transport: impl dodo_core::client::Transport,
        ) -> Result<Self, crate::Error> {
            Self::build(base_url, key, $crate::sink::http::Http::new(transport))
        }
    };
    (@ transport) => {
        /// Sends over your own transport.
        #[must_use]
        pub fn transport(mut self, transport: impl dodo_core::client::Transport) -> Self {
            self.http = self.http.with_transport(transport);
            self
        }
    };
    (@ name) => {
        /// Sets the name of the sink, for a second account or destination. The name is part of the
        /// key of queued records, so do not change it later.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.options.name = name.into();
            self
        }
    };
    (@ require_granted_consent) => {
        /// Sends only records of visitors who granted consent.
        #[must_use]
        pub fn require_granted_consent(mut self) -> Self {
            self.options.filter.only_granted = true;
            self
        }
    };
    (@ include_test_mode) => {
        /// Sends records of test mode as well.
        #[must_use]
        pub fn include_test_mode(mut self) -> Self {
            self.options.filter.test_mode = true;
            self
        }
    };
    (@ without_personal_data) => {
        /// Leaves out e-mail addresses, their hashes and names.
        #[must_use]
        pub fn without_personal_data(mut self) -> Self {
            self.options.personal_data = false;
            self
        }
    };
    (@ third_party) => {
        /// The records go to a third party: skip visitors who denied consent.
        #[must_use]
        pub fn third_party(mut self) -> Self {
            self.options.filter.third_party = true;
            self
        }
    };
    (@ first_party) => {
        /// The server is yours: it also receives records of visitors who denied consent. Such
        /// records have no visitor.
        #[must_use]
        pub fn first_party(mut self) -> Self {
            self.options.filter.third_party = false;
            self
        }
    };
}
pub(super) use common;
