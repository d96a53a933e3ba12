use super::{Field, FieldClass, FieldSet, Where};

/// One row of the table of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldRule {
    /// Names joined by dots; `[]` stands for every element of a list.
    pub path: &'static str,
    /// Whether `POST /checkouts` accepts the field.
    pub session: bool,
    /// Whether `POST /payments` accepts the field.
    pub payment: bool,
    /// Whether `POST /subscriptions` accepts the field.
    pub subscription: bool,
    /// Whether the field is a parameter of a static link.
    pub static_link: bool,
    /// The set that guards it; `None` if any client may set it. Fields inside of a guarded field
    /// are also guarded.
    pub guarded: Option<FieldSet>,
    /// The meaning of the field, if several fields have it: `goods`, `payer` and others. If server code
    /// sets one of them, no client value of the meaning goes to Dodo Payments.
    pub meaning: Option<&'static str>,
    /// The form of a value.
    pub expectation: &'static str,
    /// Notes about the field.
    pub note: &'static str,
}

impl FieldRule {
    pub(crate) fn from_field(field: &Field) -> Self {
        Self {
            path: field.path,
            session: field.on.overlaps(Where::SESSION),
            payment: field.on.overlaps(Where::PAYMENT),
            subscription: field.on.overlaps(Where::SUBSCRIPTION),
            static_link: field.on.overlaps(Where::STATIC),
            guarded: match field.class {
                FieldClass::Guarded(set) => Some(set),
                FieldClass::Free => None,
            },
            meaning: field.meaning.map(super::Meaning::name),
            expectation: field.kind.expectation(),
            note: field.note,
        }
    }
}
