//! The place of a value in a body.

/// A place in the body. It becomes a JSON Pointer only for an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) within: Option<&'a Self>,
    pub(super) segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) fn member<'b>(&'b self, name: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        Place { within: Some(self), segment: Segment::Name(name) }
    }

    pub(super) fn pointer(&self) -> String {
        let mut pointer = self.within.map(Place::pointer).unwrap_or_default();
        match self.segment {
            Segment::Name(name) => push(&mut pointer, name),
            Segment::Index(index) => push(&mut pointer, &index.to_string()),
        }
        pointer
    }
}

/// Appends a segment to a JSON Pointer (RFC 6901).
fn push(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for letter in segment.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(letter),
        }
    }
}
