use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use http::Method;
use serde::{Deserialize, de::DeserializeOwned};

use super::Client;
use crate::{BoxFuture, Error, ErrorKind};

/// The largest page of Dodo Payments.
const PAGE_SIZE: &str = "100";

/// The elements of a paged list. It fetches a page when the caller needs its first element. Created
/// by [`Client::list`].
///
/// It is a [`Stream`]; without stream utilities, use [`next`](Self::next). The first error ends it.
#[must_use = "nothing is fetched until the first element is asked for"]
pub struct Pages<T> {
    client: Client,
    path: String,
    query: HashMap<String, String>,
    cursor: Cursor,
    ready: VecDeque<T>,
    fetching: Option<BoxFuture<Result<Page<T>, Error>>>,
}

/// The parameter of the next page.
enum Cursor {
    /// Most lists: `page_number`, from 0. Dodo's own clients differ without it, so this client
    /// always sends it.
    Number(u64),
    /// Webhook endpoints: an opaque text, absent for the first page.
    Iterator(Option<String>),
    End,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(alias = "data")]
    items: Vec<T>,
    #[serde(default)]
    iterator: Option<String>,
    #[serde(default)]
    done: bool,
}

impl Client {
    /// Lists objects of Dodo's API, such as `/payments`, with the filters of the list. It fetches
    /// 100 elements at a time, each page with the rules of [`call`](Self::call).
    ///
    /// ```no_run
    /// # async fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// let mut payments = client.list::<serde_json::Value>("/payments", &[("status", "succeeded")]);
    /// while let Some(payment) = payments.next().await? {
    ///     println!("{}", payment["payment_id"]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Pages<T> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Pages {
            client: self.clone(),
            path: path.to_owned(),
            query: query.iter().map(owned).collect(),
            cursor: if path == "/webhooks" { Cursor::Iterator(None) } else { Cursor::Number(0) },
            ready: VecDeque::new(),
            fetching: None,
        }
    }
}

impl<T: DeserializeOwned + Send + Unpin + 'static> Pages<T> {
    /// Returns the next element. `None`: the list ended.
    ///
    /// # Errors
    /// As [`ApiCall::bytes`](super::ApiCall::bytes), and
    /// [`UpstreamFailed`](ErrorKind::UpstreamFailed) for an unreadable page.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }

    /// Returns the remaining elements, at most `limit`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn take(&mut self, limit: usize) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while all.len() < limit
            && let Some(element) = self.next().await?
        {
            all.push(element);
        }
        Ok(all)
    }

    fn fetch(&self) -> Option<BoxFuture<Result<Page<T>, Error>>> {
        let mut query = self.query.clone();
        let mut default = |name: &str, value: &str| {
            query.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        };
        match &self.cursor {
            Cursor::Number(number) => {
                default("page_size", PAGE_SIZE);
                query.insert("page_number".to_owned(), number.to_string());
            }
            Cursor::Iterator(iterator) => {
                default("limit", PAGE_SIZE);
                if let Some(iterator) = iterator {
                    query.insert("iterator".to_owned(), iterator.clone());
                }
            }
            Cursor::End => return None,
        }
        let mut pairs: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.sort_unstable();
        let call = self.client.call(Method::GET, &self.path, &pairs, None);
        Some(Box::pin(call.json()))
    }

    fn accept(&mut self, page: Page<T>) -> Result<(), Error> {
        self.cursor = match std::mem::replace(&mut self.cursor, Cursor::End) {
            _ if page.items.is_empty() => Cursor::End,
            Cursor::Number(number) => Cursor::Number(number + 1),
            Cursor::Iterator(_) if page.done => Cursor::End,
            Cursor::Iterator(last) => match page.iterator {
                None => Cursor::End,
                same if same == last => {
                    return Err(Error::new(
                        ErrorKind::UpstreamFailed,
                        "a list of Dodo Payments does not end",
                    ));
                }
                next => Cursor::Iterator(next),
            },
            Cursor::End => Cursor::End,
        };
        self.ready.extend(page.items);
        Ok(())
    }
}

impl<T: DeserializeOwned + Send + Unpin + 'static> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(element) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(element)));
            }
            if self.fetching.is_none() {
                self.fetching = self.fetch();
            }
            let Some(fetching) = &mut self.fetching else { return Poll::Ready(None) };
            let page = ready!(fetching.as_mut().poll(cx));
            self.fetching = None;
            if let Err(error) = page.and_then(|page| self.accept(page)) {
                self.cursor = Cursor::End;
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("path", &self.path).finish_non_exhaustive()
    }
}
