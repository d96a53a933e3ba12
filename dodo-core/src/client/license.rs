use std::fmt;

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{ApiCall, Client, path_segment};
use crate::{
    CustomerId, Error,
    event::{LicenseKey, fields},
};

/// An activation of a license key, such as one device.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LicenseInstance {
    /// `lki_...`.
    #[serde(deserialize_with = "fields::id")]
    pub id: String,
    /// The id of the license key.
    pub license_key_id: Option<String>,
    /// The name from the caller.
    pub name: Option<String>,
}

impl fmt::Debug for LicenseInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseInstance")
            .field("id", &self.id)
            .field("license_key_id", &self.license_key_id)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Validity {
    #[serde(default, deserialize_with = "fields::or_default")]
    valid: bool,
}

impl Client {
    fn license_call(&self, action: &str, body: &serde_json::Value) -> ApiCall {
        self.call(Method::POST, &format!("/licenses/{action}"), &[], Some(body))
            .missing("license_not_found", "there is no such license key")
    }

    /// Activates a license key and returns the new instance.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) `license_not_found`, else as [`call`](Self::call). Not
    /// repeated when it may have happened: each activation counts.
    pub async fn activate_license(&self, key: &str, name: &str) -> Result<LicenseInstance, Error> {
        self.license_call("activate", &json!({ "license_key": key, "name": name })).object().await
    }

    /// Returns whether a license key, or an instance of it, is valid.
    ///
    /// # Errors
    /// As [`call`](Self::call). An unknown key is not valid. It does not cause an error.
    pub async fn validate_license(&self, key: &str, instance: Option<&str>) -> Result<bool, Error> {
        let body = json!({ "license_key": key, "license_key_instance_id": instance });
        let answer = self.license_call("validate", &body).object::<Validity>().await;
        match answer {
            Ok(answer) => Ok(answer.valid),
            Err(error) if error.code() == "license_not_found" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes an instance of a license key.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) `license_not_found`, else as [`call`](Self::call).
    pub async fn deactivate_license(&self, key: &str, instance: &str) -> Result<(), Error> {
        let body = json!({ "license_key": key, "license_key_instance_id": instance });
        self.license_call("deactivate", &body).bytes().await.map(drop)
    }

    /// Returns a license key by its id.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) for a text that is not an id,
    /// [`NotFound`](crate::ErrorKind::NotFound) `license_not_found`, else as [`call`](Self::call).
    pub async fn license_key(&self, id: &str) -> Result<LicenseKey, Error> {
        self.call(Method::GET, &format!("/license_keys/{}", path_segment(id)?), &[], None)
            .missing("license_not_found", "there is no such license key")
            .object()
            .await
    }

    /// Lists the license keys of a customer.
    pub fn license_keys(&self, customer: &CustomerId) -> super::Pages<LicenseKey> {
        self.list("/license_keys", &[("customer_id", customer.as_str())])
    }
}
