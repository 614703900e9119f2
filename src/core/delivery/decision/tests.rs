//! What the statuses of answers mean.

use super::AttemptOutcome;

#[test]
fn only_what_may_be_about_the_event_is_a_rejection() {
    let retry_after = None;
    let failed = AttemptOutcome::Failed { retry_after };
    let table = [
        (AttemptOutcome::Accepted, &[200, 201, 202, 204, 299][..]),
        (AttemptOutcome::Gone, &[410]),
        (AttemptOutcome::Rejected, &[400, 402, 406, 409, 413, 415, 422, 499]),
        (failed, &[401, 403, 404, 405, 419]),
        (failed, &[101, 302, 308, 408, 425, 429, 500, 502, 503, 504, 599]),
    ];
    for (outcome, statuses) in table {
        for status in statuses {
            assert_eq!(AttemptOutcome::of_status(*status, retry_after), outcome, "{status}");
        }
    }
}
