//! The table of event types.

/// Hands every row to `$consume!`.
///
/// A row is `Variant = "type" => callback(Payload, "state")`, where the state is the status of the
/// payload if the event is delivered at once (empty: the payload has no status). To add a type, add
/// a row: its kind, its callback on [`WebhooksBuilder`](crate::webhook::WebhooksBuilder) and its
/// fixture in [`testing`](crate::testing) follow.
macro_rules! for_each_event {
    ($consume:ident) => {
        $consume! {
            AbandonedCheckoutDetected = "abandoned_checkout.detected" => on_abandoned_checkout_detected(AbandonedCheckout, "abandoned");
            AbandonedCheckoutRecovered = "abandoned_checkout.recovered" => on_abandoned_checkout_recovered(AbandonedCheckout, "recovered");
            CreditAdded = "credit.added" => on_credit_added(CreditLedgerEntry, "credit_added");
            CreditBalanceLow = "credit.balance_low" => on_credit_balance_low(CreditBalanceLow, "");
            CreditDeducted = "credit.deducted" => on_credit_deducted(CreditLedgerEntry, "credit_deducted");
            CreditExpired = "credit.expired" => on_credit_expired(CreditLedgerEntry, "credit_expired");
            CreditManualAdjustment = "credit.manual_adjustment" => on_credit_manual_adjustment(CreditLedgerEntry, "manual_adjustment");
            CreditOverageCharged = "credit.overage_charged" => on_credit_overage_charged(CreditLedgerEntry, "overage_charged");
            CreditOverageReset = "credit.overage_reset" => on_credit_overage_reset(CreditLedgerEntry, "overage_reset");
            CreditRolledOver = "credit.rolled_over" => on_credit_rolled_over(CreditLedgerEntry, "credit_rolled_over");
            CreditRolloverForfeited = "credit.rollover_forfeited" => on_credit_rollover_forfeited(CreditLedgerEntry, "rollover_forfeited");
            DisputeAccepted = "dispute.accepted" => on_dispute_accepted(Dispute, "dispute_accepted");
            DisputeCancelled = "dispute.cancelled" => on_dispute_cancelled(Dispute, "dispute_cancelled");
            DisputeChallenged = "dispute.challenged" => on_dispute_challenged(Dispute, "dispute_challenged");
            DisputeExpired = "dispute.expired" => on_dispute_expired(Dispute, "dispute_expired");
            DisputeLost = "dispute.lost" => on_dispute_lost(Dispute, "dispute_lost");
            DisputeOpened = "dispute.opened" => on_dispute_opened(Dispute, "dispute_opened");
            DisputeWon = "dispute.won" => on_dispute_won(Dispute, "dispute_won");
            DunningRecovered = "dunning.recovered" => on_dunning_recovered(DunningAttempt, "recovered");
            DunningStarted = "dunning.started" => on_dunning_started(DunningAttempt, "recovering");
            EntitlementGrantCreated = "entitlement_grant.created" => on_entitlement_grant_created(EntitlementGrant, "Pending");
            EntitlementGrantDelivered = "entitlement_grant.delivered" => on_entitlement_grant_delivered(EntitlementGrant, "Delivered");
            EntitlementGrantFailed = "entitlement_grant.failed" => on_entitlement_grant_failed(EntitlementGrant, "Failed");
            EntitlementGrantRevoked = "entitlement_grant.revoked" => on_entitlement_grant_revoked(EntitlementGrant, "Revoked");
            LicenseKeyCreated = "license_key.created" => on_license_key_created(LicenseKey, "active");
            PaymentCancelled = "payment.cancelled" => on_payment_cancelled(Payment, "cancelled");
            PaymentFailed = "payment.failed" => on_payment_failed(Payment, "failed");
            PaymentProcessing = "payment.processing" => on_payment_processing(Payment, "processing");
            PaymentSucceeded = "payment.succeeded" => on_payment_succeeded(Payment, "succeeded");
            PayoutCreated = "payout.created" => on_payout_created(Payout, "not_initiated");
            PayoutFailed = "payout.failed" => on_payout_failed(Payout, "failed");
            PayoutInProgress = "payout.in_progress" => on_payout_in_progress(Payout, "in_progress");
            PayoutOnHold = "payout.on_hold" => on_payout_on_hold(Payout, "on_hold");
            PayoutSuccess = "payout.success" => on_payout_success(Payout, "success");
            RefundFailed = "refund.failed" => on_refund_failed(Refund, "failed");
            RefundSucceeded = "refund.succeeded" => on_refund_succeeded(Refund, "succeeded");
            SubscriptionActive = "subscription.active" => on_subscription_active(Subscription, "active");
            SubscriptionCancelled = "subscription.cancelled" => on_subscription_cancelled(Subscription, "cancelled");
            SubscriptionExpired = "subscription.expired" => on_subscription_expired(Subscription, "expired");
            SubscriptionFailed = "subscription.failed" => on_subscription_failed(Subscription, "failed");
            SubscriptionOnHold = "subscription.on_hold" => on_subscription_on_hold(Subscription, "on_hold");
            SubscriptionPastDue = "subscription.past_due" => on_subscription_past_due(Subscription, "past_due");
            SubscriptionPaused = "subscription.paused" => on_subscription_paused(Subscription, "paused");
            SubscriptionPlanChanged = "subscription.plan_changed" => on_subscription_plan_changed(Subscription, "active");
            SubscriptionRenewed = "subscription.renewed" => on_subscription_renewed(Subscription, "active");
            SubscriptionUnpaused = "subscription.unpaused" => on_subscription_unpaused(Subscription, "active");
            SubscriptionUpdatePaymentMethod = "subscription.update_payment_method" => on_subscription_update_payment_method(Subscription, "active");
            SubscriptionUpdated = "subscription.updated" => on_subscription_updated(Subscription, "active");
        }
    };
}

pub(crate) use for_each_event;
