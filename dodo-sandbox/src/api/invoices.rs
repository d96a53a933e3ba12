//! Invoices: a page of PDF that names the payment, for links that lead somewhere.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::header;

use crate::{Error, app::App, clock::rfc3339, money};

/// GET /invoices/payments/{id}
pub(crate) async fn payment(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let lines = app.with(|world| {
        let payment = world.payments.find(&id)?;
        let number = payment.invoice_id.as_ref().ok_or_else(|| Error::not_found("invoice"))?;
        Ok::<_, Error>([
            format!("Invoice {number}"),
            format!("Payment {}", payment.id),
            format!("Date {}", rfc3339(payment.created_at)),
            format!("Tax {}", money::show(payment.tax, &payment.currency)),
            format!("Total {}", money::show(payment.total, &payment.currency)),
            "A sandbox invoice: no real money moved.".to_owned(),
        ])
    });
    match lines {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/pdf")], pdf(&lines)).into_response(),
        Err(error) => error.into_response(),
    }
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
