//! The places of the fault points and the texts of the mutants.

use super::{Change, Hook};

use Hook::{Mutant, Point};

/// Changes of one anchor apply in this order.
pub(crate) const TABLE: &[(Hook, &[Change])] = &[
    // From the socket to the done-mark, in the order in which a delivery passes them.
    (Point("before_append"), &[Change {
        file: "inbox/writer.rs",
        anchor: "let answers = commit(&store, &batch).await;",
        text: "$hook $anchor",
    }]),
    (Point("before_append_commit"), &[
        Change { file: "inbox/append.rs", anchor: "tx.commit().await?;", text: "$hook $anchor" },
        // PostgreSQL commits with the statement.
        Change {
            file: "inbox/append.rs",
            anchor: "let new = sqlx::query_scalar(POSTGRES)",
            text: "$hook $anchor",
        },
    ]),
    (Point("after_append"), &[Change {
        file: "inbox/writer.rs",
        anchor: "let answers = commit(&store, &batch).await;",
        text: "$anchor $hook",
    }]),
    (Point("before_booking_commit"), &[Change {
        file: "worker/booking.rs",
        anchor: "let (tx, booked) = book(tx, &groups, &dispatcher, &events).await?;",
        text: "$anchor $hook",
    }]),
    (Point("after_booking_commit"), &[Change {
        file: "worker/booking.rs",
        anchor: "groups.keep(booked);",
        text: "$hook $anchor",
    }]),
    (Point("after_claim"), &[Change {
        file: "worker/callbacks.rs",
        anchor: "has_more = events.len() == free;",
        text: "$hook $anchor",
    }]),
    (Point("after_callbacks"), &[Change {
        file: "worker/attempt.rs",
        anchor: "let outcome = timeout_at(self.until, self.work(&tx)).await;",
        text: "$anchor $hook",
    }]),
    (Point("before_done"), &[
        Change {
            file: "worker/attempt.rs",
            anchor: "let held = match tx.end(&event, ended.again).await {",
            text: "$hook $anchor",
        },
        Change {
            file: "worker/completion.rs",
            anchor: "let marked = tx.mark_done(events).await?;",
            text: "$anchor $hook",
        },
    ]),
    (Point("after_done"), &[
        Change {
            file: "worker/attempt.rs",
            anchor: "tx.commit().await.map_err(Failure::Transaction)?;",
            text: "$anchor $hook",
        },
        Change { file: "worker/completion.rs", anchor: "Ok(marked)\n}", text: "$hook $anchor" },
    ]),
    // A delivery is answered before it is stored, whatever the database says.
    (Mutant("ack_before_commit"), &[
        Change {
            file: "inbox/writer.rs",
            anchor: "match tokio::time::timeout(ANSWER_WITHIN, receipt).await {",
            text: "if $hook { return Ok(Receipt::Stored); } $anchor",
        },
        Change {
            file: "inbox/writer.rs",
            anchor: "!job.answer.is_closed()",
            text: "$anchor || $hook",
        },
    ]),
    (Mutant("body_is_identity"), &[Change {
        file: "inbox/writer.rs",
        anchor: "event.id().to_owned()",
        text: r##"if $hook { format!("{}#{}", event.id(), event.body().len()) } else { $anchor }"##,
    }]),
    (Mutant("ids_not_unique"), &[Change {
        file: "inbox/writer.rs",
        anchor: "event.id().to_owned()",
        text: r##"if $hook { format!("{}#{}", event.id(), fastrand::u64(..)) } else { $anchor }"##,
    }]),
    (Mutant("writers_stay_down"), &[Change {
        file: "inbox/writer.rs",
        anchor: "panicked(run(store.clone(), queue.clone())).await",
        text: "$anchor && !$hook",
    }]),
    // Leases by the clock of the host, which differs between hosts.
    (Mutant("host_clock_lease"), &[Change {
        file: "inbox/claim.rs",
        anchor: "store.run(&CLAIM, args![limit, millis(lease)]).await?",
        text: r#"if $hook {
            const BY_HOST_CLOCK: Sql = sql!(
                "WITH due AS MATERIALIZED (
                    SELECT id FROM dodo_inbox
                    WHERE state = 'pending' AND booked_at IS NOT NULL AND available_at <= $3
                    ORDER BY available_at LIMIT $1" SKIP_LOCKED "
                )
                UPDATE dodo_inbox
                SET attempts = attempts + 1, fencing_token = fencing_token + 1, available_at = $3 + $2
                WHERE id IN (SELECT id FROM due)
                RETURNING id, body, received_at, live, attempt_at, fencing_token, attempts,
                    failed_attempts, projection, occurred_at, timer"
            );
            let args = args![limit, millis(lease), crate::fault::host_clock()];
            store.run(&BY_HOST_CLOCK, args).await?
        } else { $anchor }"#,
    }]),
    (Mutant("no_fence"), &[Change {
        file: "inbox/claim.rs",
        anchor: "&DONE,",
        text: r#"{
            const WITHOUT_TOKEN: Sql = sql!(
                "UPDATE dodo_inbox SET state = 'done', finished_at = " NOW ", last_error = NULL
                 FROM " (rows 1: 1 id TEXT, 2 fencing_token BIGINT, 3 unreadable TEXT) "
                 WHERE dodo_inbox.id = given.id
                 RETURNING dodo_inbox.id"
            );
            if $hook { &WITHOUT_TOKEN } else { &DONE }
        },"#,
    }]),
    (Mutant("order_by_arrival"), &[Change {
        file: "attribution/timeline.rs",
        anchor: "(fact.occurred_at, &fact.id)",
        text: "(if $hook { fact.received_at } else { fact.occurred_at }, &fact.id)",
    }]),
    // Another transaction writes the outbox rows.
    (Mutant("enqueue_outside_tx"), &[Change {
        file: "booking/mod.rs",
        anchor: "self.recipients.enqueue(tx, &changes).await?;",
        text: r#"if $hook {
            let (recipients, changes) = (self.recipients.clone(), changes.clone());
            let store = self.store.clone();
            tokio::spawn(async move {
                // On SQLite, this waits for the commit of the booking.
                drop(store.begin().await?);
                crate::fault::reach("between_booking_and_queue").await;
                let mut tx = store.begin().await?;
                recipients.enqueue(&mut tx, &changes).await?;
                tx.commit().await
            });
        } else { $anchor }"#,
    }]),
    // The transaction of the callbacks is committed before the mark.
    (Mutant("effect_outside_tx"), &[Change {
        file: "worker/attempt.rs",
        anchor: "Some(mut tx) => {",
        text: r#"Some(tx) if $hook => {
            tx.commit().await.map_err(Failure::Transaction)?;
            crate::fault::reach("between_effect_and_done").await;
            self.store.begin().await.map_err(Failure::Transaction)?
        } $anchor"#,
    }]),
    (Mutant("panics_do_not_count"), &[Change {
        file: "worker/attempt.rs",
        anchor: "!self.outcome_recorded.load(Ordering::Relaxed)",
        text: "$anchor && !$hook",
    }]),
    (Mutant("claims_are_failures"), &[Change {
        file: "worker/attempt.rs",
        anchor: "let failed_attempts = failed_attempts.saturating_add(1);",
        text: "$anchor let failed_attempts = if $hook { attempts } else { failed_attempts };",
    }]),
    (Mutant("never_dead"), &[Change {
        file: "worker/attempt.rs",
        anchor: "policy.is_exhausted(failed_attempts)",
        text: "$anchor && !$hook",
    }]),
    (Mutant("leases_kept"), &[Change {
        file: "worker/callbacks.rs",
        anchor: "if let Err(error) = release_leases(store, &left).await {",
        text: "if $hook { return; } $anchor",
    }]),
    (Mutant("new_message_id"), &[Change {
        file: "outbox/worker.rs",
        anchor: "Ok(Prepared::Send(Box::new(outgoing)))",
        text: r##"if $hook {
            outgoing.record.id = format!("{}#{}", row.record_id, row.attempts);
        } $anchor"##,
    }]),
    (Mutant("failure_is_delivery"), &[Change {
        file: "outbox/worker.rs",
        anchor: "for (row, outcome) in outgoing.into_iter().zip(answers) {",
        text: "$anchor let outcome = match outcome {
            SendOutcome::Retry { after: None, .. } if $hook => SendOutcome::Accepted,
            outcome => outcome,
        };",
    }]),
    (Mutant("retry_after_ignored"), &[Change {
        file: "outbox/worker.rs",
        anchor: "for (row, outcome) in outgoing.into_iter().zip(answers) {",
        text: "$anchor let outcome = match outcome {
            SendOutcome::Retry { reason, .. } if $hook => SendOutcome::Retry { after: None, reason },
            SendOutcome::Unknown { reason, .. } if $hook => {
                SendOutcome::Unknown { after: None, reason }
            }
            outcome => outcome,
        };",
    }]),
];
