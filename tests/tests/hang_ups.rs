//! A sender that leaves stops no callback: without an inbox, the callback runs to its end.

use std::{sync::Arc, time::Duration};

use dodo_core::{Environment, Event, WebhookKey, Webhooks, event::Payment};
use dodo_tests::{
    case::Case,
    client,
    delivery::{Delivery, KEY, sample},
    server::{Application, Framework, Mount},
    subject::Subject,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify, time::timeout};

/// An application whose callback waits at an `.await` until the test lets it go on.
#[derive(Clone, Debug, Default)]
struct Slow {
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
    ended: Arc<Notify>,
}

impl Application for Slow {
    fn mount(&self, mount: &mut impl Mount) {
        let key = WebhookKey::new(KEY, Environment::Test).expect("a key");
        let hooks = Webhooks::builder(key).with_state(self.clone()).on_payment_succeeded(
            async |event: Event<Payment, Self>| {
                event.state.entered.notify_one();
                event.state.go_on.notified().await;
                event.state.ended.notify_one();
            },
        );
        mount.webhooks("/webhook", hooks.build().expect("hooks"));
    }
}

#[tokio::test]
async fn callback_ends_although_its_sender_hangs_up() {
    for framework in Framework::ALL {
        let slow = Slow::default();
        let application = slow.clone();
        let subject = Subject::start(framework, move |_| application).await.unwrap();
        let case = Delivery::new("msg_1", sample("payment.succeeded")).to("/webhook");

        let mut stream = TcpStream::connect(subject.address).await.unwrap();
        let mut request = String::from("POST /webhook HTTP/1.1\r\nhost: x\r\n");
        for (name, value) in &case.headers {
            request += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        request += &format!("content-length: {}\r\n\r\n", case.body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(&case.body).await.unwrap();

        let wait = |notify: Arc<Notify>| async move {
            timeout(Duration::from_secs(20), notify.notified()).await
        };
        wait(slow.entered.clone()).await.expect("the callback starts");
        stream.set_zero_linger().unwrap();
        drop(stream); // a reset: the server learns of it at once
        // The server has one thread: once it has answered these, it has seen the reset.
        for _ in 0..2 {
            let other = Case::get("another request", "/nothing");
            assert_eq!(client::send(subject.address, &other).await.unwrap().status, 404);
        }
        slow.go_on.notify_one();
        let ended = wait(slow.ended.clone()).await;
        assert!(ended.is_ok(), "{framework}: the callback stopped half-way");
    }
}
