//! Invoices: a PDF of one page with the figures, so that links lead somewhere.

use std::fmt::Write;

use super::{
    call::{Call, Reply, Route},
    payouts::PAYOUTS,
    refunds::REFUNDS,
};
use crate::{Error, clock::rfc3339, money, state::SandboxState};

pub(crate) const ROUTES: &[Route] = &[
    ("GET /invoices/payments/{}", payment),
    ("GET /invoices/refunds/{}", refund),
    ("GET /invoices/payouts/{}", payout),
];

fn payment(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let payment = state.payments.find(call.id())?;
    let number = payment.invoice_id.as_ref().ok_or_else(|| Error::not_found("invoice"))?;
    reply(&[
        format!("Invoice {number}"),
        format!("Payment {}", payment.id),
        format!("Date {}", rfc3339(payment.created_at)),
        format!("Tax {}", money::show(payment.tax, &payment.currency)),
        format!("Total {}", money::show(payment.total, &payment.currency)),
    ])
}

fn refund(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let refund = state.find(&REFUNDS, call.id())?;
    reply(&[
        format!("Refund {}", refund.id),
        format!("Payment {}", refund.str("payment_id")),
        format!("Date {}", rfc3339(refund.created_at)),
        format!(
            "Total {}",
            money::show(refund.number("amount").unwrap_or(0), refund.str("currency"))
        ),
    ])
}

fn payout(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let payout = state.find(&PAYOUTS, call.id())?;
    reply(&[
        format!("Payout {}", payout.id),
        format!("Date {}", rfc3339(payout.created_at)),
        format!(
            "Total {}",
            money::show(payout.number("amount").unwrap_or(0), payout.str("currency"))
        ),
    ])
}

fn reply(lines: &[String]) -> Result<Reply, Error> {
    let note = "A sandbox document: no real money moved.".to_owned();
    let lines: Vec<_> = lines.iter().cloned().chain([note]).collect();
    Ok(Reply::Bytes(pdf(&lines).into_bytes()))
}

/// A PDF of one page with these lines. They hold no parentheses and no backslashes, which PDF would
/// want escaped: ids, dates and amounts only.
fn pdf(lines: &[String]) -> String {
    let mut text = "BT /F1 12 Tf 20 TL 60 780 Td".to_owned();
    for line in lines {
        let _ = write!(text, " ({line}) Tj T*");
    }
    text += " ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = String::new();
    for (place, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = writeln!(file, "{} 0 obj\n{object}\nendobj", place + 1);
    }
    let start = file.len();
    let _ = write!(
        file,
        "xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file
}
