use std::{
    error::Error as StdError,
    io,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError};

use crate::{BoxError, Error, ErrorKind, time::timeout};

/// The largest number of bytes that are read and discarded before a refusal. If the answer comes
/// while a proxy still sends the body, the proxy reports 502 instead of the answer.
const DISCARDED: usize = 1 << 20;

/// Reads a body under a limit and a time limit.
///
/// A body of one frame, the usual case, is not copied. If the body is over the limit, up to 1 MiB
/// of it is read and discarded first. With the `tokio` feature the time limit also ends a silent
/// connection. Without it, the time is checked when bytes arrive, and the server's own idle timeout
/// covers silence.
///
/// # Errors
/// - [`BodyTooLarge`](ErrorKind::BodyTooLarge): the body is over `limit` bytes, or over the limit of an
///   outer layer.
/// - [`BodyTimeout`](ErrorKind::BodyTimeout): the body did not arrive within `time_limit`.
/// - [`InvalidRequest`](ErrorKind::InvalidRequest): the connection ended within the body.
pub async fn read_body<B>(body: B, limit: usize, time_limit: Duration) -> Result<Bytes, Error>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut body = pin!(body);
    let started = Instant::now();
    let read = if body.size_hint().lower() > limit as u64 {
        Err(Error::body_too_large())
    } else {
        let end = started + time_limit;
        timeout(time_limit, collect(body.as_mut(), limit, end))
            .await
            .unwrap_or_else(|_| Err(Error::body_timeout()))
    };
    if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::BodyTooLarge) {
        discard(body, time_limit.saturating_sub(started.elapsed())).await;
    }
    read
}

/// Reads and discards the rest of a body, up to 1 MiB, before its request is refused.
pub(super) async fn discard<B: http_body::Body>(mut body: Pin<&mut B>, time_limit: Duration) {
    if body.is_end_stream() {
        return;
    }
    let end = Instant::now() + time_limit;
    let reading = async {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Buf::remaining);
            match left.checked_sub(length) {
                Some(rest) if Instant::now() < end => left = rest,
                _ => return,
            }
        }
    };
    // A client that is too slow gets its answer without this.
    let _ = timeout(time_limit, reading).await;
}

async fn collect<B>(mut body: Pin<&mut B>, limit: usize, end: Instant) -> Result<Bytes, Error>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if Instant::now() > end {
            return Err(Error::body_timeout());
        }
        let Ok(mut data) = frame.map_err(unreadable)?.into_data() else { continue };
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

/// A layer of the application may also limit bodies. Its errors keep their meaning.
fn unreadable(error: impl Into<BoxError>) -> Error {
    let error: BoxError = error.into();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&*error);
    while let Some(current) = cause {
        if current.is::<LengthLimitError>() {
            return Error::body_too_large();
        }
        if let Some(own) = current.downcast_ref::<Error>() {
            match own.kind() {
                ErrorKind::BodyTooLarge => return Error::body_too_large(),
                ErrorKind::BodyTimeout => return Error::body_timeout(),
                _ => {}
            }
        }
        if current.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
        {
            return Error::body_timeout();
        }
        cause = current.source();
    }
    Error::new(ErrorKind::InvalidRequest, "the body is incomplete: send it again")
        .with_code("body_incomplete")
        .with_source(error)
}

impl Error {
    /// For adapters: the body is over the endpoint's limit.
    #[doc(hidden)]
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::new(ErrorKind::BodyTooLarge, "the body is too large")
    }

    /// For adapters: the body did not arrive before the endpoint's deadline.
    #[doc(hidden)]
    #[must_use]
    pub fn body_timeout() -> Self {
        Self::new(ErrorKind::BodyTimeout, "the body did not arrive in time")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        convert::Infallible,
        task::{Context, Poll},
    };

    use http_body_util::{Full, StreamBody};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn body_of_exactly_the_limit_is_read() {
        for (size, ok) in [(0, true), (99, true), (100, true), (101, false)] {
            let body = Full::new(Bytes::from(vec![b'x'; size]));
            let read = read_body(body, 100, SECOND).await;
            assert_eq!(read.is_ok(), ok, "{size}");
        }
    }

    #[tokio::test]
    async fn frames_are_joined_up_to_the_limit() {
        let body = |n| StreamBody::new(Frames::of(n, 4));
        assert_eq!(read_body(body(3), 12, SECOND).await.unwrap(), "xxxxxxxxxxxx");
        let error = read_body(body(4), 12, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_client_runs_into_the_time_limit() {
        let body = StreamBody::new(Frames(vec![Poll::Pending].into()));
        let error = read_body(body, 12, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTimeout);
    }

    #[tokio::test]
    async fn refused_body_is_read_on_up_to_a_mebibyte() {
        for (frames, left) in [(600, 0), (1024, 0), (2000, 2000 - 1024 - 2)] {
            let mut frames = Frames::of(frames, 1 << 10);
            let error = read_body(StreamBody::new(&mut frames), 1, SECOND).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
            assert_eq!(frames.0.len(), left);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refused_body_that_stops_gets_its_answer_in_time() {
        let mut frames = Frames::of(2, 1 << 10);
        frames.0.push_back(Poll::Pending);
        let started = tokio::time::Instant::now();
        let error = read_body(StreamBody::new(frames), 1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        assert!(started.elapsed() <= SECOND);
    }

    #[tokio::test]
    async fn limit_of_an_outer_layer_keeps_its_meaning() {
        let limited = http_body_util::Limited::new(StreamBody::new(Frames::of(9, 1)), 5);
        let error = read_body(limited, 100, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);

        let late = io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(unreadable(late).kind(), ErrorKind::BodyTimeout);
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(unreadable(cut).code(), "body_incomplete");
        assert_eq!(unreadable(Error::body_timeout()).kind(), ErrorKind::BodyTimeout);
    }

    type Frame = Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>>;

    struct Frames(VecDeque<Frame>);

    impl Frames {
        fn of(count: usize, size: usize) -> Self {
            let frame = || http_body::Frame::data(Bytes::from(vec![b'x'; size]));
            Self((0..count).map(|_| Poll::Ready(Some(Ok(frame())))).collect())
        }
    }

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
