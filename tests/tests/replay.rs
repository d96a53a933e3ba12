//! The requests recorded with `@dodopayments/express`, sent to the routes that imitate it.

use dodo_tests::{
    conformance::{API_KEY, Conformance, RETURN_URL},
    replay::recorded,
    server::Framework,
    subject::Subject,
};

#[tokio::test]
async fn print() {
    let subject = Subject::start(Framework::Tower, Conformance::surrounded).await.unwrap();
    for recorded in recorded() {
        let ours = subject.observe(&recorded.case()).await.unwrap();
        let d = recorded.differences(&ours);
        if !d.is_empty() {
            println!("{} | {} | {}", recorded.id, d.join(" ; "), ours.body);
        }
    }
}
