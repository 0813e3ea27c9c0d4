//! What accounts may do, as operators say, by the web app and by the command line.

use std::collections::BTreeMap;

use protocol::error::ErrorCode;
use protocol::id::AccountId;
use protocol::routes::coordinator as routes;
use protocol::sessions::AccountRole;
use protocol::users::{SetQuotaRequest, SetRoleRequest, User, UsersResponse};
use reqwest::StatusCode;

use crate::audit_log::told;
use crate::support::{Answer, Cluster, Registered, Server, soon};

impl Registered {
    pub(crate) async fn users(&self, server: &Server) -> Vec<User> {
        let answer: UsersResponse = self.get(server, routes::USERS, &[]).await.json();
        answer.users
    }

    async fn set_role(&self, server: &Server, account: AccountId, role: AccountRole) -> Answer {
        self.send(server, routes::SET_ROLE, &[&account], &SetRoleRequest { role }).await
    }

    async fn set_quota(&self, server: &Server, account: AccountId, quota_bytes: Option<u64>) -> Answer {
        self.send(server, routes::SET_QUOTA, &[&account], &SetQuotaRequest { quota_bytes }).await
    }
}

#[tokio::test]
async fn there_is_always_an_operator_and_a_role_counts_at_once() {
    let cluster = Cluster::start(soon(), &["a"]).await;
    let member = cluster.server.register_member("member").await;
    let look = async || member.get(&cluster.server, routes::AUDIT_LOG, &[]).await;
    let change = async |login: &str, role: &str| cluster.run(&["user", "set-role", login, role]).await;
    let refused = change("operator", "member").await;
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the only operator"));
    look().await.expect_code(ErrorCode::Forbidden);
    assert!(change("member", "operator").await.status.success());
    look().await.expect_status(StatusCode::OK);
    assert!(change("operator", "member").await.status.success());
    assert!(!change("member", "member").await.status.success());
    let nobody = change("nobody", "operator").await;
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no account has the login"));
    let users = cluster.answer(&["user", "list", "--json"]).await;
    let roles: BTreeMap<_, _> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["login"].as_str().unwrap(), user["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles, BTreeMap::from([("member", "operator"), ("operator", "member")]));
}

#[tokio::test]
async fn the_operator_sees_all_accounts_and_says_what_they_may() {
    let (server, operator, _) = Server::with_zones(1).await;
    let member = server.register_member("member").await;
    operator.set_quota(&server, member.account, Some(5000)).await.expect_status(StatusCode::NO_CONTENT);
    let users = operator.users(&server).await;
    let seen: Vec<_> = users.iter().map(|it| (&*it.login, it.role, it.used_bytes, it.quota_bytes)).collect();
    let expected =
        [("operator", AccountRole::Operator, 0, None), ("member", AccountRole::Member, 0, Some(5000))];
    assert_eq!(seen, expected);
    assert!(users.iter().all(|user| user.signed_in_ms >= Some(user.created_ms)));
    operator.set_quota(&server, member.account, None).await.expect_status(StatusCode::NO_CONTENT);
    let (owner, role) = (operator.account, AccountRole::Member);
    operator.set_role(&server, owner, role).await.expect_code(ErrorCode::LastOperator);
    let promoted = operator.set_role(&server, member.account, AccountRole::Operator).await;
    promoted.expect_status(StatusCode::NO_CONTENT);
    member.set_role(&server, owner, role).await.expect_status(StatusCode::NO_CONTENT);
    operator.set_role(&server, member.account, role).await.expect_code(ErrorCode::Forbidden);
    assert_eq!(
        told(&member.audit_log(&server).await)[6..],
        [
            "quota_changed operator 127.0.0.1 member 5000",
            "quota_changed operator 127.0.0.1 member none",
            "role_changed operator 127.0.0.1 member operator",
            "role_changed member 127.0.0.1 operator member",
        ]
    );
    let nobody: AccountId = "01".repeat(16).parse().unwrap();
    member.set_quota(&server, nobody, None).await.expect_code(ErrorCode::NotFound);
    member.set_role(&server, nobody, role).await.expect_code(ErrorCode::NotFound);
}

#[tokio::test]
async fn of_two_operators_who_step_down_at_once_one_stays() {
    let (server, operator, _) = Server::with_zones(1).await;
    let member = server.register_member("member").await;
    operator
        .set_role(&server, member.account, AccountRole::Operator)
        .await
        .expect_status(StatusCode::NO_CONTENT);
    let down = AccountRole::Member;
    let (a, b) = tokio::join!(
        operator.set_role(&server, operator.account, down),
        member.set_role(&server, member.account, down)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);
}
