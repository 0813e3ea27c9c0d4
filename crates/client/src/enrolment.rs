//! Admitting a device, on the owner's side: the link, and who used it.

use std::cell::RefCell;

use crypto::enrolment::{EnrolmentCode, EnrolmentLink, EnrolmentSecret};
use protocol::devices::EnrolmentRequest;
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, EnrolmentId};

use crate::account::Account;
use crate::admission::Admission;
use crate::error::Error;
use crate::snapshot::RACES_MAX;

/// How long a link is good, in milliseconds.
const LINK_MS: u64 = 10 * 60 * 1000;

/// An enrolment that is open: good for ten minutes and one device.
pub struct Enrolment {
    account: Account,
    code: EnrolmentCode,
    role: Role,
    good_until_ms: u64,
    /// Who asked first with the right proof. Nobody else is admitted.
    request: RefCell<Option<EnrolmentRequest>>,
}

impl Account {
    /// Opens an enrolment. A device of role 2 gets a vault of its own, others all vaults that there are now.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`].
    pub async fn begin_enrolment(&self, role: Role) -> Result<Enrolment, Error> {
        self.owner()?;
        let platform = &self.client().platform;
        let enrolment = EnrolmentId::from_bytes(platform.random()).expect("16 random bytes are not all zero");
        let code = EnrolmentCode { enrolment, secret: EnrolmentSecret::from_bytes(platform.random()) };
        let good_until_ms = platform.now_ms() + LINK_MS;
        self.client().open_enrolment(enrolment).await?;
        Ok(Enrolment { account: self.clone(), code, role, good_until_ms, request: RefCell::default() })
    }
}

impl Enrolment {
    /// As events name it.
    pub fn id(&self) -> EnrolmentId {
        self.code.enrolment
    }

    /// The link to carry to the device, for the web app at `origin`. Who has it can ask to be admitted.
    ///
    /// # Errors
    /// [`Error::Link`] if that is no origin.
    pub fn link(&self, origin: &str) -> Result<String, Error> {
        Ok(EnrolmentLink::write(origin, &self.code)?.to_string())
    }

    /// Until when the link is good, in Unix milliseconds.
    pub fn good_until_ms(&self) -> u64 {
        self.good_until_ms
    }

    /// The name of the host that asks to be admitted, once one does.
    ///
    /// # Errors
    /// [`Error::ForgedRequest`] if somebody asked without the link: then nobody can use it any more.
    /// [`Error::LinkOver`].
    pub async fn request(&self) -> Result<Option<String>, Error> {
        if let Some(request) = &*self.request.borrow() {
            return Ok(Some(request.host.clone()));
        }
        self.check_time()?;
        let answer = self.account.client().enrolment_request(self.id()).await.map_err(over)?;
        let Some(request) = answer.request else { return Ok(None) };
        self.code.verify(&request)?;
        let host = request.host.clone();
        self.request.replace(Some(request));
        Ok(Some(host))
    }

    /// Admits the device that asked, under a name of the owner's choice. Trying again after an error is safe.
    ///
    /// # Errors
    /// [`Error::LinkOver`], also where nobody asked; [`Error::Busy`] if the account changed all the time.
    pub async fn admit(&self, name: &str) -> Result<DeviceId, Error> {
        self.request().await?;
        self.check_time()?;
        let request = self.request.borrow().clone().ok_or(Error::LinkOver)?;
        for _ in 0..RACES_MAX {
            self.account.refresh_states().await?;
            if self.account.newest_state().device(&request.device).is_none() {
                let grant = Admission::prepare(&self.account, &self.code, self.role, &request, name).await?;
                match self.account.client().grant_enrolment(self.id(), &grant).await {
                    Err(error) if error.code() == Some(ErrorCode::ChainConflict) => continue,
                    done => done.map_err(over)?,
                }
                self.account.refresh_states().await?;
            }
            if self.role != Role::Append {
                self.account.open_vault().await?.rename_device(request.device, name).await?;
            }
            return Ok(request.device);
        }
        Err(Error::Busy)
    }

    fn check_time(&self) -> Result<(), Error> {
        let now_ms = self.account.client().platform.now_ms();
        if now_ms < self.good_until_ms { Ok(()) } else { Err(Error::LinkOver) }
    }
}

/// An enrolment that the coordinator does not know is one that it forgot.
pub(crate) fn over(error: Error) -> Error {
    if error.code() == Some(ErrorCode::NotFound) { Error::LinkOver } else { error }
}
