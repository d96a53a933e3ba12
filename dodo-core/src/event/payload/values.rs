//! The values of fields that are enums at Dodo Payments.

use crate::event::open_enum::open_enums;

open_enums! {
    /// The status of a payment.
    PaymentStatus {
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
        Processing = "processing",
        RequiresCustomerAction = "requires_customer_action",
        RequiresMerchantAction = "requires_merchant_action",
        RequiresPaymentMethod = "requires_payment_method",
        RequiresConfirmation = "requires_confirmation",
        RequiresCapture = "requires_capture",
        PartiallyCaptured = "partially_captured",
        PartiallyCapturedAndCapturable = "partially_captured_and_capturable",
    }
    /// The provider that processed a payment.
    PaymentProvider { Stripe = "stripe", Adyen = "adyen", Dodo = "dodo", }
    /// The type of a charge of a subscription.
    ChargeType {
        New = "new",
        Renewal = "renewal",
        PlanChange = "plan_change",
        OnDemand = "on_demand",
    }
    /// The refunded part of a payment.
    RefundExtent { Partial = "partial", Full = "full", }
    /// The status of 3-D Secure.
    ThreeDsFlow { Challenge = "challenge", Frictionless = "frictionless", }
    /// The result of 3-D Secure.
    ThreeDsStatus {
        Authenticated = "authenticated",
        AttemptAcknowledged = "attempt_acknowledged",
        Exempted = "exempted",
        Failed = "failed",
        NotSupported = "not_supported",
        ProcessingError = "processing_error",
    }
    /// The type of a discount.
    DiscountKind { Percentage = "percentage", Flat = "flat", }
    /// The status of a refund.
    RefundStatus {
        Succeeded = "succeeded",
        Failed = "failed",
        Pending = "pending",
        Review = "review",
    }
    /// The status of a subscription.
    SubscriptionStatus {
        Pending = "pending",
        Active = "active",
        OnHold = "on_hold",
        Paused = "paused",
        Cancelled = "cancelled",
        Failed = "failed",
        Expired = "expired",
        PastDue = "past_due",
    }
    /// The reason of a customer for a cancellation.
    CancellationFeedback {
        TooExpensive = "too_expensive",
        MissingFeatures = "missing_features",
        SwitchedService = "switched_service",
        Unused = "unused",
        CustomerService = "customer_service",
        LowQuality = "low_quality",
        TooComplex = "too_complex",
        OtherReason = "other",
    }
    /// The stage of a dispute.
    DisputeStage {
        PreDispute = "pre_dispute",
        Dispute = "dispute",
        PreArbitration = "pre_arbitration",
    }
    /// The status of a dispute.
    DisputeStatus {
        Opened = "dispute_opened",
        Expired = "dispute_expired",
        Accepted = "dispute_accepted",
        Cancelled = "dispute_cancelled",
        Challenged = "dispute_challenged",
        Won = "dispute_won",
        Lost = "dispute_lost",
    }
    /// The status of a license key.
    LicenseKeyStatus { Active = "active", Expired = "expired", Disabled = "disabled", }
    /// The source of a license key.
    LicenseKeySource { Auto = "auto", Import = "import", Manual = "manual", }
    /// The status of a payout.
    PayoutStatus {
        NotInitiated = "not_initiated",
        InProgress = "in_progress",
        OnHold = "on_hold",
        Failed = "failed",
        Success = "success",
    }
    /// The type of a credit movement.
    CreditTransaction {
        Added = "credit_added",
        Deducted = "credit_deducted",
        Expired = "credit_expired",
        RolledOver = "credit_rolled_over",
        RolloverForfeited = "rollover_forfeited",
        OverageCharged = "overage_charged",
        OverageReset = "overage_reset",
        AutoTopUp = "auto_top_up",
        ManualAdjustment = "manual_adjustment",
        Refund = "refund",
    }
    /// The reason of an abandoned checkout.
    AbandonmentReason {
        PaymentFailed = "payment_failed",
        CheckoutIncomplete = "checkout_incomplete",
    }
    /// The status of a recovery.
    RecoveryStatus {
        Abandoned = "abandoned",
        Recovering = "recovering",
        Recovered = "recovered",
        Exhausted = "exhausted",
        OptedOut = "opted_out",
    }
    /// The trigger of dunning.
    DunningTrigger { OnHold = "on_hold", Cancelled = "cancelled", PastDue = "past_due", }
    /// The status of a grant.
    GrantStatus {
        Pending = "Pending",
        Delivered = "Delivered",
        Failed = "Failed",
        Revoked = "Revoked",
    }
    /// The granted integration.
    Integration {
        Discord = "discord",
        Telegram = "telegram",
        Github = "github",
        Figma = "figma",
        Framer = "framer",
        Notion = "notion",
        DigitalFiles = "digital_files",
        LicenseKey = "license_key",
        FeatureFlag = "feature_flag",
    }
    /// The reason of a revocation.
    RevocationReason {
        SubscriptionCancelled = "subscription_cancelled",
        SubscriptionOnHold = "subscription_on_hold",
        SubscriptionPaused = "SubscriptionPaused",
        SubscriptionExpired = "subscription_expired",
        PlanChanged = "plan_changed",
        Refund = "refund",
        Manual = "manual",
        LicenseKeyDisabled = "license_key_disabled",
        PlatformExternal = "platform_external",
    }
}

/// A unit of time between charges. Read in any case: Dodo Payments writes `Month`, others `month`.
///
/// Unknown values are kept as `Other`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BillingInterval {
    /// `Day`
    Day,
    /// `Week`
    Week,
    /// `Month`
    Month,
    /// `Year`
    Year,
    /// A value this version does not know.
    Other(Box<str>),
}

impl BillingInterval {
    /// The text Dodo Payments sends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Day => "Day",
            Self::Week => "Week",
            Self::Month => "Month",
            Self::Year => "Year",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for BillingInterval {
    fn from(text: &str) -> Self {
        for interval in [Self::Day, Self::Week, Self::Month, Self::Year] {
            if text.eq_ignore_ascii_case(interval.as_str()) {
                return interval;
            }
        }
        Self::Other(text.into())
    }
}

impl std::fmt::Display for BillingInterval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for BillingInterval {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for BillingInterval {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::event::open_enum::from_text(deserializer)
    }
}
