use std::fmt;

use super::{
    payload::{PayloadType, SubscriptionStatus},
    table::for_each_event,
};

macro_rules! kinds {
    ($( $variant:ident = $name:literal => $method:ident($payload:ident, $state:literal); )*) => {
        /// The `type` of an event.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventKind {
            $(
                #[doc = concat!("`", $name, "`, with a [`", stringify!($payload), "`](crate::event::", stringify!($payload), ")")]
                $variant,
            )*
            /// A type this version does not know.
            Other(Box<str>),
        }

        impl EventKind {
            /// Every kind this version knows.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),* ];

            /// The text Dodo Payments sends, such as `payment.succeeded`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $name, )*
                    Self::Other(name) => name,
                }
            }

            /// The type of the event's `data`. `None`: this version does not know the type of the
            /// event.
            #[must_use]
            pub const fn payload_type(&self) -> Option<PayloadType> {
                match self {
                    $( Self::$variant => Some(PayloadType::$payload), )*
                    Self::Other(_) => None,
                }
            }

            /// Returns the payload's status if the event is delivered at once. A later delivery has
            /// the current object, so the kind decides and not the status.
            #[must_use]
            pub(crate) const fn initial_status(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => if $state.is_empty() { None } else { Some($state) }, )*
                    Self::Other(_) => None,
                }
            }
        }

        impl From<&str> for EventKind {
            fn from(name: &str) -> Self {
                match name {
                    $( $name => Self::$variant, )*
                    other => Self::Other(other.into()),
                }
            }
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn every_row_is_regular() {
                $(
                    assert_eq!(stringify!($method), format!("on_{}", $name.replace('.', "_")));
                    assert_eq!(stringify!($variant).to_lowercase(), $name.replace(['.', '_'], ""));
                    assert_eq!(EventKind::from($name), EventKind::$variant);
                )*
                assert_eq!(EventKind::ALL.len(), 48);
            }
        }
    };
}

for_each_event!(kinds);

impl EventKind {
    /// Returns the status of the subscription that the kind states. `None` for other objects, and for
    /// kinds that leave the status open: a change of the plan, of the payment method or of a field.
    #[must_use]
    pub const fn subscription_status(&self) -> Option<SubscriptionStatus> {
        Some(match self {
            Self::SubscriptionActive | Self::SubscriptionRenewed | Self::SubscriptionUnpaused => {
                SubscriptionStatus::Active
            }
            Self::SubscriptionOnHold => SubscriptionStatus::OnHold,
            Self::SubscriptionPastDue => SubscriptionStatus::PastDue,
            Self::SubscriptionPaused => SubscriptionStatus::Paused,
            Self::SubscriptionCancelled => SubscriptionStatus::Cancelled,
            Self::SubscriptionFailed => SubscriptionStatus::Failed,
            Self::SubscriptionExpired => SubscriptionStatus::Expired,
            _ => return None,
        })
    }

    /// Whether this version knows the type.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::open_enum::from_text(deserializer)
    }
}
