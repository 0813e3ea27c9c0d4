//! Histories made by hand: a good one, and each of its spoiled forms, which the checker must tell apart.

use super::*;

const A: Content = [1; 32];
const B: Content = [2; 32];
const C: Content = [3; 32];

fn done(seq: u64) -> Answer {
    Answer::Done { from: seq, to: seq }
}

fn unknown() -> Answer {
    Answer::Unknown("no answer".to_owned())
}

fn put(path: &str, content: Content) -> Attempt {
    Attempt::BackUp(vec![(path.to_owned(), content)])
}

/// One client that did one thing after the other.
fn records(attempts: Vec<(Attempt, Answer)>) -> Vec<Record> {
    let record = |(place, (attempt, answer)): (usize, (Attempt, Answer))| {
        let (began, ended) = (2 * place as u64, 2 * place as u64 + 1);
        Record { account: 0, client: 0, attempt, answer: Some(answer), began, ended }
    };
    attempts.into_iter().enumerate().map(record).collect()
}

fn snapshots(all: &[(u64, &[(&str, Content)])]) -> Snapshots {
    let files =
        |files: &[(&str, Content)]| files.iter().map(|(path, it)| (path.to_string(), Ok(*it))).collect();
    all.iter().map(|(seq, of)| (*seq, files(of))).collect()
}

fn end(commits: &[(u64, u8)], snapshots: Snapshots) -> End {
    let reading = Reading { without: vec![0, 1], accounts: vec![Ok(snapshots)] };
    End { readings: vec![reading], commits: vec![commits.to_vec()], ..End::default() }
}

/// `a` and `b` are backed up, `a` is removed, the first snapshot is forgotten, and the backup of `c` has no answer.
fn good() -> (Vec<Record>, End) {
    let attempts = vec![
        (put("a", A), done(1)),
        (put("b", B), done(2)),
        (Attempt::Restore { seq: 2, path: "a".to_owned() }, Answer::Restored(A)),
        (Attempt::Remove("a".to_owned()), Answer::Done { from: 3, to: 4 }),
        (Attempt::Forget(1), done(4)),
        (put("c", C), unknown()),
        (put("d", C), Answer::Refused("no".to_owned())),
    ];
    let commits = [(0, 3), (1, SNAPSHOT), (2, SNAPSHOT), (3, SNAPSHOT), (4, FORGET), (5, SNAPSHOT)];
    let kept = snapshots(&[(2, &[("a", A), ("b", B)]), (3, &[("b", B)]), (5, &[("b", B), ("c", C)])]);
    (records(attempts), end(&commits, kept))
}

/// What is found in the good run once it is spoiled.
fn found(spoil: impl FnOnce(&mut Vec<Record>, &mut End)) -> Vec<String> {
    let (mut records, mut end) = good();
    spoil(&mut records, &mut end);
    check(&records, &end).iter().map(ToString::to_string).collect()
}

fn kept(end: &mut End) -> &mut Snapshots {
    end.readings[0].accounts[0].as_mut().expect("the good run reads everything")
}

fn files(end: &mut End, seq: u64) -> &mut Files {
    kept(end).get_mut(&seq).expect("a kept snapshot")
}

#[track_caller]
fn assert_found(found: &[String], invariant: &str, what: &str) {
    let is_named = |violation: &String| violation.starts_with(invariant) && violation.contains(what);
    assert!(found.iter().any(is_named), "{invariant} … {what} is not in {found:#?}");
}

#[test]
fn a_good_run_is_good() {
    assert_eq!(found(|_, _| ()), [""; 0]);
}

#[test]
fn what_has_no_answer_may_be_there_or_not_but_is_whole() {
    assert_eq!(
        found(|_, end| {
            kept(end).remove(&5);
            end.commits[0].pop();
        }),
        [""; 0]
    );
    let half = found(|_, end| drop(files(end, 5).insert("c".to_owned(), Ok(A))));
    assert_found(&half, "I1", "c of snapshot 5 came back as something else");
}

#[test]
fn an_acknowledged_file_that_is_missing_is_found() {
    assert_found(
        &found(|_, end| drop(files(end, 5).remove("b"))),
        "I1",
        "b is missing, and was acknowledged",
    );
    let too_early = found(|_, end| drop(files(end, 2).remove("a")));
    assert_found(&too_early, "I1", "snapshot 2: a is missing, and was acknowledged");
}

#[test]
fn a_file_that_cannot_be_restored_is_found() {
    let lost = found(|_, end| drop(files(end, 3).insert("b".to_owned(), Err("no node has it".to_owned()))));
    assert_found(&lost, "I1", "b of snapshot 3 cannot be restored: no node has it");
}

#[test]
fn an_account_that_cannot_be_read_is_found() {
    let unread = found(|_, end| end.readings[0].accounts[0] = Err("untrusted".to_owned()));
    assert_found(&unread, "I1", "without nodes [0, 1]: untrusted");
}

#[test]
fn a_snapshot_that_is_gone_or_came_back_is_found() {
    assert_found(
        &found(|_, end| drop(kept(end).remove(&3))),
        "I1",
        "snapshot 3 is gone, and nobody forgot it",
    );
    let back = found(|_, end| drop(kept(end).insert(1, snapshots(&[(1, &[("a", A)])])[&1].clone())));
    assert_found(&back, "I1", "snapshot 1 is there, and was forgotten");
}

#[test]
fn a_file_at_the_wrong_time_is_found() {
    let early = found(|records, _| records[0].answer = Some(done(3)));
    assert_found(&early, "I1", "snapshot 2: a is there before it was backed up");
    let late = found(|_, end| drop(files(end, 5).insert("a".to_owned(), Ok(A))));
    assert_found(&late, "I1", "snapshot 5: a is there, and was removed");
}

#[test]
fn what_was_refused_or_never_tried_and_is_there_is_found() {
    let refused = found(|_, end| drop(files(end, 5).insert("d".to_owned(), Ok(C))));
    assert_found(&refused, "I1", "d is there, and its backup was refused");
    let foreign = found(|_, end| drop(files(end, 5).insert("x".to_owned(), Ok(C))));
    assert_found(&foreign, "I1", "x, which nobody put there");
}

#[test]
fn a_file_without_an_answer_that_comes_and_goes_is_found() {
    let gone = found(|_, end| {
        end.commits[0].push((6, SNAPSHOT));
        kept(end).insert(6, snapshots(&[(6, &[("b", B)])])[&6].clone());
    });
    assert_found(&gone, "I1", "snapshot 6: c is missing, and was there before");
}

#[test]
fn a_wrong_answer_during_the_run_is_found() {
    let other = found(|records, _| records[2].answer = Some(Answer::Restored(B)));
    assert_found(&other, "I1", "a of snapshot 2 came back as something else");
    let refused =
        found(|records, _| records[2].answer = Some(Answer::Refused("no such snapshot".to_owned())));
    assert_found(&refused, "I1", "snapshot 2 is not to be had, and nobody forgot it");
    let wrong = found(|records, _| records[5].answer = Some(Answer::Wrong("untrusted".to_owned())));
    assert_found(&wrong, "I1", "untrusted");
}

#[test]
fn a_log_with_a_gap_or_a_commit_too_many_is_found() {
    let gap = found(|_, end| end.commits[0].retain(|(seq, _)| *seq != 3));
    assert_found(&gap, "I5", "commit 3 of the log has the number 4");
    let twice = found(|_, end| end.commits[0].push((6, SNAPSHOT)));
    assert_found(&twice, "I5", "3 commits of kind 1 that nobody was told of, and 2 attempts at it");
}

#[test]
fn an_acknowledgement_that_is_not_in_the_log_or_given_twice_is_found() {
    let lost = found(|records, _| records[1].answer = Some(done(9)));
    assert_found(&lost, "I5", "was acknowledged as 9 to 9 and is not in the log");
    let twice = found(|records, _| records[1].answer = Some(done(1)));
    assert_found(&twice, "I5", "was told the number 1 of another");
}

#[test]
fn a_log_that_goes_against_the_order_of_time_is_found() {
    let backwards = found(|records, _| {
        records[0].answer = Some(done(2));
        records[1].answer = Some(done(1));
    });
    assert_found(&backwards, "I5", "came later than what it stands before, as 1");
}

#[test]
fn whatever_else_was_seen_is_found() {
    assert_found(&found(|_, end| end.lacks.push("2 copies".to_owned())), "I2", "2 copies");
    assert_found(&found(|_, end| end.seen.push("a deleted blob".to_owned())), "I3", "a deleted blob");
    assert_found(&found(|_, end| end.failures.push("HTTP/1.1 500".to_owned())), "I6", "HTTP/1.1 500");
    let much = Peak { memory_bytes: 2 << 30, ..Peak::default() };
    assert_found(&found(|_, end| drop(end.peaks.insert("node-1".to_owned(), much))), "I6", "node-1");
    assert_found(&found(|_, end| end.leaks.push("node-1.log".to_owned())), "I7", "node-1.log");
}
