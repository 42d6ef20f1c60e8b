//! Bodies of the fleet's protocol. What is read is written as it is read again.
#![no_main]

use aq_fleet::protocol::{
    CallDone, ClaimRequest, ClaimResponse, DrainOrder, EventsRequest, FactoryPage, FeedEvent,
    FleetStats, HeartbeatAnswer, HeartbeatRequest, JobPage, JobQuery, JobView, PageQuery,
    ProblemBody, RegisterRequest, RegisterResponse, ReleaseRequest, RenewRequest, RenewResponse,
    ReportRequest, SubmitRequest, SubmitResponse,
};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn there_and_back<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let text = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(serde_json::to_string(&again).expect("again"), text);
}

fuzz_target!(|bytes: &[u8]| {
    there_and_back::<ClaimRequest>(bytes);
    there_and_back::<ClaimResponse>(bytes);
    there_and_back::<CallDone>(bytes);
    there_and_back::<DrainOrder>(bytes);
    there_and_back::<EventsRequest>(bytes);
    there_and_back::<FactoryPage>(bytes);
    there_and_back::<FeedEvent>(bytes);
    there_and_back::<HeartbeatRequest>(bytes);
    there_and_back::<HeartbeatAnswer>(bytes);
    there_and_back::<JobPage>(bytes);
    there_and_back::<JobQuery>(bytes);
    there_and_back::<JobView>(bytes);
    there_and_back::<PageQuery>(bytes);
    there_and_back::<ProblemBody>(bytes);
    there_and_back::<RegisterRequest>(bytes);
    there_and_back::<RegisterResponse>(bytes);
    there_and_back::<ReleaseRequest>(bytes);
    there_and_back::<RenewRequest>(bytes);
    there_and_back::<RenewResponse>(bytes);
    there_and_back::<ReportRequest>(bytes);
    there_and_back::<FleetStats>(bytes);
    there_and_back::<SubmitRequest>(bytes);
    there_and_back::<SubmitResponse>(bytes);
});
