//! Invitations: who may make an account by one, and that each is good once.

use coordinator::config::Registration;
use protocol::accounts::{RegisterRequest, RegistrationMode, RegistrationResponse};
use protocol::error::ErrorCode;
use protocol::invitations::{InvitationsResponse, InviteRequest, InviteResponse};
use protocol::limits::{INVITATION_SECONDS, INVITATION_SECONDS_MAX};
use protocol::routes::coordinator as routes;
use protocol::sessions::AccountRole;
use reqwest::StatusCode;

use crate::audit_log::told;
use crate::support::{Answer, Cluster, Options, Person, Registered, Server, soon};

const MEMBER: InviteRequest =
    InviteRequest { expires_seconds: INVITATION_SECONDS, role: AccountRole::Member, quota_bytes: Some(5000) };

async fn server(registration: Registration) -> (Server, Registered) {
    let server = Server::start_with(Options { registration: Some(registration), ..Options::default() }).await;
    let operator = server.register_operator().await;
    (server, operator)
}

impl Registered {
    async fn try_invite(&self, server: &Server, request: InviteRequest) -> Answer {
        self.send(server, routes::INVITE, &[], &request).await
    }

    async fn invite(&self, server: &Server, request: InviteRequest) -> InviteResponse {
        self.try_invite(server, request).await.json()
    }

    async fn invitations(&self, server: &Server) -> InvitationsResponse {
        self.get(server, routes::INVITATIONS, &[]).await.json()
    }
}

fn token(server: &Server, link: &str) -> String {
    link.strip_prefix(&format!("{}/invitation#", server.origin)).unwrap().to_owned()
}

fn invited(person: &Person, token: &str) -> RegisterRequest {
    RegisterRequest { invitation: Some(token.to_owned()), ..person.registration(None) }
}

#[tokio::test]
async fn who_is_invited_makes_one_account_of_the_role_and_quota_that_the_operator_gave() {
    let (server, operator) = server(Registration::Invite).await;
    let registration: RegistrationResponse =
        Answer::read(server.call(routes::REGISTRATION, &[])).await.json();
    let expected = RegistrationResponse { setup_required: false, mode: RegistrationMode::Invite };
    assert_eq!(registration, expected);
    let guest = Person::new("guest");
    server.register(&guest.registration(None)).await.expect_code(ErrorCode::RegistrationClosed);
    let InviteResponse { link, invitation, expires_ms } = operator.invite(&server, MEMBER).await;
    let open = operator.invitations(&server).await.invitations;
    let it = &open[0];
    assert_eq!((open.len(), it.invitation, it.expires_ms), (1, invitation, expires_ms));
    assert_eq!(
        (it.invited_by.as_deref(), it.role, it.quota_bytes),
        (Some("operator"), MEMBER.role, Some(5000))
    );
    assert_eq!(it.expires_ms - it.created_ms, INVITATION_SECONDS * 1000);
    let token = token(&server, &link);
    server.register(&invited(&guest, &token)).await.expect_status(StatusCode::CREATED);
    assert_eq!(operator.invitations(&server).await.invitations, []);
    let users = operator.users(&server).await;
    let guest = users.iter().find(|user| user.login == "guest").unwrap();
    assert_eq!((guest.role, guest.quota_bytes, guest.signed_in_ms), (AccountRole::Member, Some(5000), None));
    let log = operator.audit_log(&server).await;
    assert_eq!(
        told(&log)[3..],
        [
            format!("invitation_made operator 127.0.0.1 {invitation} member"),
            "account_made guest 127.0.0.1 member".to_owned(),
            format!("invitation_used guest 127.0.0.1 {invitation}"),
        ]
    );
    assert!(!serde_json::to_string(&log).unwrap().contains(&token));
}

#[tokio::test]
async fn what_is_used_expired_taken_back_or_made_up_is_refused_alike() {
    let (server, operator) = server(Registration::Invite).await;
    let used = operator.invite(&server, MEMBER).await;
    let used = token(&server, &used.link);
    server.register(&invited(&Person::new("guest"), &used)).await.expect_status(StatusCode::CREATED);
    let expired = operator.invite(&server, MEMBER).await;
    server.sql("UPDATE invitations SET expires_at = now()").await;
    assert_eq!(operator.invitations(&server).await.invitations, []);
    let late = operator.call(&server, routes::REVOKE_INVITATION, &[&expired.invitation]);
    Answer::read(late).await.expect_code(ErrorCode::NotFound);
    let revoked = operator.invite(&server, MEMBER).await;
    let revoke = || Answer::read(operator.call(&server, routes::REVOKE_INVITATION, &[&revoked.invitation]));
    revoke().await.expect_status(StatusCode::NO_CONTENT);
    revoke().await.expect_code(ErrorCode::NotFound);
    let [expired, revoked] = [expired.link, revoked.link].map(|link| token(&server, &link));
    for token in [used, expired, revoked, "0".repeat(64), String::new()] {
        let refusal = server.register(&invited(&Person::new("late"), &token)).await.refusal();
        let expected =
            "InvalidInvitation: the invitation is wrong or was used, has expired or was taken back";
        assert_eq!(refusal, expected);
    }
}

#[tokio::test]
async fn of_two_who_use_an_invitation_at_once_one_gets_in() {
    let (server, operator) = server(Registration::Invite).await;
    for round in 0..5 {
        let token = token(&server, &operator.invite(&server, MEMBER).await.link);
        let guests = ["a", "b", "c"].map(|name| Person::new(&format!("{name}{round}")));
        let [a, b, c] = guests.map(|guest| invited(&guest, &token));
        let (a, b, c) = tokio::join!(server.register(&a), server.register(&b), server.register(&c));
        let mut statuses = [a.status, b.status, c.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [StatusCode::CREATED, StatusCode::FORBIDDEN, StatusCode::FORBIDDEN]);
    }
    assert_eq!(operator.users(&server).await.len(), 6);
}

#[tokio::test]
async fn whose_answer_was_lost_asks_again_and_whose_login_is_taken_chooses_another() {
    let (server, operator) = server(Registration::Invite).await;
    let token = token(&server, &operator.invite(&server, MEMBER).await.link);
    let namesake = invited(&Person::new("operator"), &token);
    server.register(&namesake).await.expect_code(ErrorCode::LoginTaken);
    let request = invited(&Person::new("guest"), &token);
    let (a, b) = tokio::join!(server.register(&request), server.register(&request));
    for answer in [a, b, server.register(&request).await] {
        answer.expect_status(StatusCode::CREATED);
    }
    assert_eq!(operator.users(&server).await.len(), 2);
}

#[tokio::test]
async fn an_invitation_counts_where_anybody_may_register_too() {
    let (server, operator) = server(Registration::Open).await;
    let wanted = InviteRequest { role: AccountRole::Operator, quota_bytes: None, ..MEMBER };
    let token = token(&server, &operator.invite(&server, wanted).await.link);
    let second = Person::new("second");
    server.register(&invited(&second, &token)).await.expect_status(StatusCode::CREATED);
    assert_eq!(second.sign_in(&server).await.users(&server).await.len(), 2);
    let late = invited(&Person::new("late"), &token);
    server.register(&late).await.expect_code(ErrorCode::InvalidInvitation);
}

#[tokio::test]
async fn an_invitation_is_good_for_a_second_to_a_year() {
    let (server, operator) = server(Registration::Invite).await;
    for expires_seconds in [0, INVITATION_SECONDS_MAX + 1, u64::MAX] {
        let request = InviteRequest { expires_seconds, ..MEMBER };
        operator.try_invite(&server, request).await.expect_code(ErrorCode::InvalidRequest);
    }
    for expires_seconds in [1, INVITATION_SECONDS_MAX] {
        operator.invite(&server, InviteRequest { expires_seconds, ..MEMBER }).await;
    }
}

#[tokio::test]
async fn a_closed_registration_is_closed_to_the_invited_too() {
    let options = Options { registration: Some(Registration::Closed), ..soon() };
    let cluster = Cluster::start(options, &[]).await;
    let refused = cluster.operator.try_invite(&cluster.server, MEMBER).await;
    refused.expect_code(ErrorCode::RegistrationClosed);
    let told = cluster.run(&["user", "invite", "--registration", "closed"]).await;
    assert!(String::from_utf8(told.stderr).unwrap().contains("registration is closed"));
    // Made while it was not.
    let origin = cluster.server.origin.clone();
    let made = cluster.answer(&["user", "invite", "--public-url", &origin, "--json"]).await;
    let request = invited(&Person::new("guest"), &token(&cluster.server, made["link"].as_str().unwrap()));
    cluster.server.register(&request).await.expect_code(ErrorCode::RegistrationClosed);
}

#[tokio::test]
async fn the_command_line_invites_and_takes_back() {
    let options = Options { registration: Some(Registration::Invite), ..soon() };
    let cluster = Cluster::start(options, &[]).await;
    let origin = cluster.server.origin.clone();
    let invite = ["user", "invite", "--public-url", &origin, "--expires", "12h", "--quota", "5K"];
    let link = String::from_utf8(cluster.run(&invite).await.stdout).unwrap();
    let request = invited(&Person::new("guest"), &token(&cluster.server, link.trim()));
    let open = cluster.operator.invitations(&cluster.server).await.invitations;
    assert_eq!((open[0].invited_by.as_deref(), open[0].quota_bytes), (None, Some(5120)));
    assert_eq!(open[0].expires_ms - open[0].created_ms, 12 * 3_600_000);
    let listed = cluster.answer(&["user", "invitations", "--json"]).await;
    assert_eq!(listed, serde_json::to_value(&open).unwrap());
    let table = String::from_utf8(cluster.run(&["user", "invitations"]).await.stdout).unwrap();
    assert!(table.contains(&format!("{}  member        5.0K", open[0].invitation)), "{table}");
    let id = open[0].invitation.to_string();
    cluster.answer(&["user", "revoke-invitation", &id, "--json"]).await;
    cluster.server.register(&request).await.expect_code(ErrorCode::InvalidInvitation);
    let again = cluster.run(&["user", "revoke-invitation", &id]).await;
    assert!(String::from_utf8(again.stderr).unwrap().contains("no open invitation"));
    let log = told(&cluster.operator.audit_log(&cluster.server).await);
    assert_eq!(
        log[log.len() - 2..],
        [format!("invitation_made - - {id} member"), format!("invitation_revoked - - {id}")]
    );
}
