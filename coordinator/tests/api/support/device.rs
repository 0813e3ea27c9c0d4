//! A device with its keys, and how its owner admits and revokes it. What is sealed is noise of the right shape.

use coordinator::random;
use protocol::accounts::NewVault;
use protocol::bytes::{Base64, Base64Array};
use protocol::devices::{
    DeviceLoginResponse, DeviceVaultKey, EnrolmentGrant, EnrolmentRequest, GrantEnrolmentRequest,
    NewVaultKey, OpenEnrolmentRequest, OtherDeviceKey, RevokeDeviceRequest,
};
use protocol::envelope::account_state::{AccountStateBody, VaultKeyRow};
use protocol::envelope::commit::Kind;
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::id::{DeviceId, EnrolmentId, SourceId, VaultId};
use protocol::routes::coordinator as routes;
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};
use protocol::vaults::WrappedKey;
use reqwest::StatusCode;

use super::{Answer, Person, Registered, Server, seal};

/// A device that signed in. It calls, signs and backs up as its owner does, in its own vault and with its own key.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) key: SigningKey,
    caller: Registered,
}

impl std::ops::Deref for Device {
    type Target = Registered;
    fn deref(&self) -> &Registered {
        &self.caller
    }
}

/// All that admits a device, for a test to change before it is sent.
pub(crate) struct Admission {
    pub(crate) enrolment: EnrolmentId,
    pub(crate) asked: EnrolmentRequest,
    pub(crate) key: SigningKey,
    pub(crate) certificate: DeviceCertificate,
    pub(crate) body: AccountStateBody,
    pub(crate) new_vault: Option<VaultId>,
    pub(crate) grant: EnrolmentGrant,
    pub(crate) device_wrap: Vec<u8>,
}

impl Admission {
    /// Of a device with a new vault of its own, or with the owner's.
    pub(crate) fn new(owner: &Person, role: Role, own_vault: bool) -> Self {
        let key = SigningKey::from_bytes(&random::bytes());
        let device = random::id(DeviceId::from_bytes);
        let new_vault = own_vault.then(|| random::id(VaultId::from_bytes));
        let vault = new_vault.unwrap_or(owner.vault);
        let certificate = DeviceCertificate {
            role,
            account: owner.account,
            device,
            public_key: PublicKey::of(&key),
            not_before: 0,
            not_after: u64::MAX,
            vaults: vec![vault],
        };
        let mut body = owner.state_body.clone();
        body.certificates.push(certificate.issue(&owner.identity).unwrap());
        if own_vault {
            body.vault_keys.push(VaultKeyRow { vault, epoch: 1, digest: random::bytes() });
        }
        let epoch =
            body.vault_keys.iter().filter(|row| row.vault == vault).map(|row| row.epoch).max().unwrap();
        Self {
            enrolment: random::id(EnrolmentId::from_bytes),
            asked: EnrolmentRequest {
                device,
                public_key: PublicKey::of(&key),
                exchange_key: Base64Array(random::bytes()),
                host: "laptop".into(),
                mac: Base64Array(random::bytes()),
            },
            key,
            certificate,
            body,
            new_vault,
            grant: EnrolmentGrant {
                ephemeral_key: Base64Array(random::bytes()),
                vault_keys: vec![DeviceVaultKey { vault, epoch, wrap: Base64(seal(epoch)) }],
            },
            device_wrap: seal(0),
        }
    }

    pub(crate) async fn open(&self, server: &Server, owner: &Registered) -> Answer {
        let body = OpenEnrolmentRequest { enrolment: self.enrolment };
        owner.send(server, routes::OPEN_ENROLMENT, &[], &body).await
    }

    pub(crate) async fn ask(&self, server: &Server) -> Answer {
        self.ask_as(server, &self.asked).await
    }

    pub(crate) async fn ask_as(&self, server: &Server, asked: &EnrolmentRequest) -> Answer {
        Answer::read(server.call(routes::REQUEST_ENROLMENT, &[&self.enrolment]).json(asked)).await
    }

    /// What the owner sends.
    pub(crate) fn request(&self, owner: &Person) -> GrantEnrolmentRequest {
        let new_vault = self.new_vault.map(|vault| NewVault {
            vault,
            key_wrap: Base64(seal(1)),
            genesis: Base64(genesis(owner, vault)),
        });
        GrantEnrolmentRequest {
            account_state: Base64(owner.next_state(&self.body)),
            new_vault,
            grant: self.grant.clone(),
            device_wrap: Base64(self.device_wrap.clone()),
        }
    }

    pub(crate) async fn grant(
        &self,
        server: &Server,
        owner: &Registered,
        request: &GrantEnrolmentRequest,
    ) -> Answer {
        owner.send(server, routes::GRANT_ENROLMENT, &[&self.enrolment], request).await
    }

    /// The device's signature under its sign-in.
    pub(crate) fn authorization(&self, server: &Server) -> String {
        sign_in_header(server, &self.key, self.certificate.device, server.state.clock.now_ms())
    }
}

/// The first settings of a vault, by the state that is the first to list it.
fn genesis(owner: &Person, vault: VaultId) -> Vec<u8> {
    let mut signer = copy(owner);
    signer.vault = vault;
    signer.account_state_seq += 1;
    signer.commit(Kind::Settings, None, (0, [0; 32]), &[])
}

/// The header that signs a device in.
pub(crate) fn sign_in_header(server: &Server, key: &SigningKey, device: DeviceId, time_ms: u64) -> String {
    let route = routes::DEVICE_LOGIN;
    let parts =
        SignedParts { origin: &server.origin, method: route.method, path_and_query: route.path, body: b"" };
    SignedRequest::sign(key, *device.as_bytes(), parts, time_ms, random::bytes()).to_header()
}

pub(crate) async fn sign_in(server: &Server, authorization: &str) -> Answer {
    Answer::read(server.call(routes::DEVICE_LOGIN, &[]).header("authorization", authorization)).await
}

fn copy(person: &Person) -> Person {
    Person {
        login: person.login.clone(),
        account: person.account,
        vault: person.vault,
        source: random::id(SourceId::from_bytes),
        identity: person.identity.clone(),
        device: person.device,
        auth_key: person.auth_key,
        state_body: person.state_body.clone(),
        account_state_seq: person.account_state_seq,
        newest_state: person.newest_state.clone(),
        recovery_wrap: person.recovery_wrap.clone(),
    }
}

impl Registered {
    /// Admits a device with a vault of its own.
    pub(crate) async fn admit(&mut self, server: &Server, role: Role) -> Device {
        self.admit_with(server, Admission::new(self, role, true)).await
    }

    /// Admits a device to the owner's vault.
    pub(crate) async fn admit_to_own_vault(&mut self, server: &Server, role: Role) -> Device {
        self.admit_with(server, Admission::new(self, role, false)).await
    }

    pub(crate) async fn admit_with(&mut self, server: &Server, admission: Admission) -> Device {
        admission.open(server, self).await.expect_status(StatusCode::CREATED);
        admission.ask(server).await.expect_status(StatusCode::NO_CONTENT);
        let request = admission.request(self);
        admission.grant(server, self, &request).await.expect_status(StatusCode::NO_CONTENT);
        self.person.adopt(request.account_state.0, admission.body.clone());
        Device::sign_in(server, self, &admission).await
    }

    /// A revocation with all that it needs.
    pub(crate) fn revocation(&self, device: DeviceId) -> (RevokeDeviceRequest, AccountStateBody) {
        let mut body = self.state_body.clone();
        let parse =
            |signed: &Vec<u8>| DeviceCertificate::verify(signed, &PublicKey::of(&self.identity)).unwrap();
        let revoked = body.certificates.iter().map(parse).find(|known| known.device == device).unwrap();
        body.certificates.retain(|signed| parse(signed).device != device);
        body.revoked.push(device);
        let (mut vault_keys, mut device_keys) = (Vec::new(), Vec::new());
        for vault in revoked.vaults {
            let epoch = 1 + body.vault_keys.iter().filter(|row| row.vault == vault).count() as u32;
            body.vault_keys.push(VaultKeyRow { vault, epoch, digest: random::bytes() });
            vault_keys.push(NewVaultKey { vault, key: WrappedKey { epoch, wrap: Base64(seal(epoch)) } });
            for other in body.certificates.iter().map(parse).filter(|other| other.vaults.contains(&vault)) {
                let key = DeviceVaultKey { vault, epoch, wrap: Base64(seal(epoch)) };
                device_keys.push(OtherDeviceKey { device: other.device, key });
            }
        }
        let account_state = Base64(self.next_state(&body));
        (RevokeDeviceRequest { account_state, vault_keys, device_keys }, body)
    }

    pub(crate) async fn send_revocation(&self, server: &Server, request: &RevokeDeviceRequest) -> Answer {
        self.send(server, routes::REVOKE_DEVICE, &[], request).await
    }

    pub(crate) async fn revoke(&mut self, server: &Server, device: DeviceId) {
        let (request, body) = self.revocation(device);
        self.send_revocation(server, &request).await.expect_status(StatusCode::NO_CONTENT);
        self.person.adopt(request.account_state.0, body);
    }
}

impl Device {
    async fn sign_in(server: &Server, owner: &Registered, admission: &Admission) -> Self {
        let login: DeviceLoginResponse = sign_in(server, &admission.authorization(server)).await.json();
        assert_eq!((login.account, login.account_state_seq), (owner.account, owner.account_state_seq));
        let (id, key) = (admission.certificate.device, admission.key.clone());
        let mut person = copy(owner);
        person.vault = admission.certificate.vaults[0];
        person.identity = key.clone();
        person.device = Some(id);
        let credentials = ("authorization", format!("Bearer {}", login.token));
        Self { id, key, caller: Registered { person, cookie: String::new(), credentials } }
    }

    /// Learns the owner's newest account state, as a device does before it commits.
    pub(crate) fn follow(&mut self, owner: &Person) {
        self.caller.person.account_state_seq = owner.account_state_seq;
        self.caller.person.state_body = owner.state_body.clone();
    }
}
