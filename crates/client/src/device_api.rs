//! Calls to the coordinator about devices: one function per route.

use protocol::devices::{
    DeviceKeysResponse, DevicesResponse, EnrolmentGrantResponse, EnrolmentRequest, EnrolmentRequestResponse,
    GrantEnrolmentRequest, OpenEnrolmentRequest, RevokeDeviceRequest,
};
use protocol::id::EnrolmentId;
use protocol::messages::Message;
use protocol::routes::coordinator as routes;

use crate::api::Client;
use crate::error::Error;

impl Client {
    pub(crate) async fn open_enrolment(&self, enrolment: EnrolmentId) -> Result<(), Error> {
        self.command(routes::OPEN_ENROLMENT, &[], &OpenEnrolmentRequest { enrolment }).await
    }

    pub(crate) async fn request_enrolment(
        &self,
        enrolment: EnrolmentId,
        request: &EnrolmentRequest,
    ) -> Result<(), Error> {
        self.command(routes::REQUEST_ENROLMENT, &[&enrolment], request).await
    }

    pub(crate) async fn enrolment_request(
        &self,
        enrolment: EnrolmentId,
    ) -> Result<EnrolmentRequestResponse, Error> {
        self.get(routes::ENROLMENT_REQUEST, &[&enrolment]).await
    }

    /// The same grant again, after its answer was lost, gets the same answer.
    pub(crate) async fn grant_enrolment(
        &self,
        enrolment: EnrolmentId,
        request: &GrantEnrolmentRequest,
    ) -> Result<(), Error> {
        self.command(routes::GRANT_ENROLMENT, &[&enrolment], request).await
    }

    pub(crate) async fn enrolment_grant(
        &self,
        enrolment: EnrolmentId,
    ) -> Result<EnrolmentGrantResponse, Error> {
        self.get(routes::ENROLMENT_GRANT, &[&enrolment]).await
    }

    pub(crate) async fn devices(&self) -> Result<DevicesResponse, Error> {
        self.get(routes::DEVICES, &[]).await
    }

    /// The same revocation again, after its answer was lost, gets the same answer.
    pub(crate) async fn revoke_device(&self, request: &RevokeDeviceRequest) -> Result<(), Error> {
        self.command(routes::REVOKE_DEVICE, &[], request).await
    }

    pub(crate) async fn device_keys(&self) -> Result<DeviceKeysResponse, Error> {
        self.get(routes::DEVICE_KEYS, &[]).await
    }

    pub(crate) async fn send_message(&self, message: &Message) -> Result<(), Error> {
        self.command(routes::SEND_MESSAGE, &[&message.vault], message).await
    }
}
