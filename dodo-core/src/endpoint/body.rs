use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::{BoxError, Error, ErrorKind, time::timeout};

/// Reads a body under a limit and a deadline.
///
/// A body of one frame, the usual case, is not copied. With the `tokio` feature the deadline holds
/// against a silent client too; without it, it is checked whenever bytes arrive and the server's own
/// idle timeout covers silence.
///
/// # Errors
/// [`BodyTooLarge`](ErrorKind::BodyTooLarge) beyond `limit` bytes, before they are read where the
/// body announces its length; [`BodyTimeout`](ErrorKind::BodyTimeout) beyond `deadline`;
/// [`InvalidRequest`](ErrorKind::InvalidRequest) when the connection breaks off.
pub async fn read_body<B>(body: B, limit: usize, deadline: Duration) -> Result<Bytes, Error>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Error::body_too_large());
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let end = Instant::now() + deadline;
    timeout(deadline, collect(body, limit, end))
        .await
        .unwrap_or_else(|_| Err(Error::body_timeout()))
}

async fn collect<B>(body: B, limit: usize, end: Instant) -> Result<Bytes, Error>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if Instant::now() > end {
            return Err(Error::body_timeout());
        }
        let frame = frame.map_err(|e| {
            Error::new(ErrorKind::InvalidRequest, "the body broke off")
                .with_code("body_incomplete")
                .with_source(e)
        })?;
        let Ok(mut data) = frame.into_data() else { continue };
        let length = data.remaining();
        if first.len() + all.len() + length > limit {
            return Err(Error::body_too_large());
        }
        let data = data.copy_to_bytes(length);
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

impl Error {
    /// For adapters: the body is over the endpoint's limit.
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::new(ErrorKind::BodyTooLarge, "the body is too large")
    }

    /// For adapters: the body did not arrive before the endpoint's deadline.
    #[must_use]
    pub fn body_timeout() -> Self {
        Self::new(ErrorKind::BodyTimeout, "the body did not arrive in time")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{Full, StreamBody};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn takes_exactly_the_limit_and_not_one_byte_more() {
        for (size, ok) in [(0, true), (99, true), (100, true), (101, false)] {
            let body = Full::new(Bytes::from(vec![b'x'; size]));
            let read = read_body(body, 100, SECOND).await;
            assert_eq!(read.is_ok(), ok, "{size}");
        }
    }

    #[tokio::test]
    async fn joins_frames_and_stops_at_the_limit_of_a_body_that_does_not_say_its_length() {
        let frames = |n: usize| {
            let frames = (0..n).map(|_| {
                Poll::Ready(Some(Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(
                    b"abcd",
                )))))
            });
            frames.collect::<Vec<_>>()
        };
        let body = |n| StreamBody::new(Frames(frames(n).into()));
        assert_eq!(read_body(body(3), 12, SECOND).await.unwrap(), "abcdabcdabcd");
        let error = read_body(body(4), 12, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_runs_into_the_deadline() {
        let body = StreamBody::new(Frames(vec![Poll::Pending].into()));
        let error = read_body(body, 12, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTimeout);
    }

    use std::{collections::VecDeque, pin::Pin, task::Context, task::Poll};
    type Frame = Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>>;
    struct Frames(VecDeque<Frame>);
    impl futures_core::Stream for Frames {
        type Item = Result<http_body::Frame<Bytes>, Infallible>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.0.front() {
                Some(Poll::Pending) => Poll::Pending,
                _ => self.0.pop_front().unwrap_or(Poll::Ready(None)),
            }
        }
    }
}
